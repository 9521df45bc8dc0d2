//! What each room and each track carries, as metrics; the media server counts it if `media.detailed_metrics` is on.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use trefoil_media::{RoomReading, Source};
use trefoil_room::ParticipantId;

/// A room by its names.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct RoomLabels {
    namespace: String,
    room: String,
}

/// A track of somebody in a room.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct TrackLabels {
    namespace: String,
    room: String,
    participant: String,
    track: String,
    source: &'static str,
    codec: &'static str,
}

/// Rows for rooms and tracks that live; none unless they are asked for.
#[derive(Default)]
pub(crate) struct RoomMetrics {
    members: Family<RoomLabels, Gauge>,
    subscribers: Family<RoomLabels, Gauge>,
    forwarded: Family<RoomLabels, Counter>,
    packets: Family<TrackLabels, Counter>,
    bytes: Family<TrackLabels, Counter>,
}

impl RoomMetrics {
    /// Registers all of them.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "trefoil_media_room_members",
            "People in a room",
            self.members.clone(),
        );
        registry.register(
            "trefoil_media_room_subscribers",
            "Those of them who receive",
            self.subscribers.clone(),
        );
        registry.register(
            "trefoil_media_room_packets_forwarded",
            "Packets that were forwarded to them",
            self.forwarded.clone(),
        );
        registry.register(
            "trefoil_media_track_packets_received",
            "Packets of a track",
            self.packets.clone(),
        );
        registry.register(
            "trefoil_media_track_bytes_received",
            "Bytes of payload of a track",
            self.bytes.clone(),
        );
    }

    /// Shows what the media server last counted; `names` gives the namespace and the name of a room.
    pub(crate) fn show(&self, rooms: &[RoomReading], names: impl Fn(u64) -> Option<(String, String)>) {
        self.members.clear();
        self.subscribers.clear();
        self.forwarded.clear();
        self.packets.clear();
        self.bytes.clear();
        for reading in rooms {
            let Some((namespace, room)) = names(reading.room.0) else {
                continue;
            };
            let labels = RoomLabels {
                namespace: namespace.clone(),
                room: room.clone(),
            };
            let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
            self.members.get_or_create(&labels).inc_by(count(reading.members));
            self.subscribers
                .get_or_create(&labels)
                .inc_by(count(reading.subscribers));
            self.forwarded.get_or_create(&labels).inc_by(reading.packets_out);
            for track in &reading.tracks {
                let labels = TrackLabels {
                    namespace: namespace.clone(),
                    room: room.clone(),
                    participant: ParticipantId::from_number(track.participant).to_string(),
                    track: crate::media::track_name(track.track),
                    source: source_name(track.source),
                    codec: track.codec.name(),
                };
                self.packets.get_or_create(&labels).inc_by(track.packets_in);
                self.bytes.get_or_create(&labels).inc_by(track.bytes_in);
            }
        }
    }
}

const fn source_name(source: Source) -> &'static str {
    match source {
        Source::Microphone => "microphone",
        Source::Camera => "camera",
        Source::Screen => "screen",
        Source::ScreenAudio => "screen_audio",
        Source::Other => "other",
    }
}
