//! What each room and each track carries, as metrics; the media server counts it if `media.detailed_metrics` is on.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};
use trefoil_media::{RoomReading, Source, TrackReading};

/// A room's part on one worker, and its names.
#[derive(Clone, Debug)]
struct Row {
    namespace: String,
    room: String,
    reading: RoomReading,
}

/// Rows for rooms and tracks that live; none unless they are asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct RoomMetrics(std::sync::Arc<Mutex<Vec<Row>>>);

type OfRoom = fn(&RoomReading) -> u64;
type OfTrack = fn(&TrackReading) -> u64;

/// Name, help, whether it only grows, and value.
const ROOMS: [(&str, &str, bool, OfRoom); 3] = [
    (
        "trefoil_media_room_members",
        "People in a room",
        false,
        |reading| reading.members,
    ),
    (
        "trefoil_media_room_subscribers",
        "Those of them who receive",
        false,
        |reading| reading.subscribers,
    ),
    (
        "trefoil_media_room_packets_forwarded",
        "Packets that were forwarded to them",
        true,
        |reading| reading.packets_out,
    ),
];

const TRACKS: [(&str, &str, OfTrack); 2] = [
    (
        "trefoil_media_track_packets_received",
        "Packets of a track",
        |track| track.packets_in,
    ),
    (
        "trefoil_media_track_bytes_received",
        "Bytes of payload of a track",
        |track| track.bytes_in,
    ),
];

impl RoomMetrics {
    /// Registers all of them.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(self.clone()));
    }

    /// Shows what the media server last counted; `names` gives the namespace and the name of a room.
    pub(crate) fn show(&self, rooms: Vec<RoomReading>, names: impl Fn(u64) -> Option<(String, String)>) {
        let row = |reading: RoomReading| {
            let (namespace, room) = names(reading.room.0)?;
            Some(Row {
                namespace,
                room,
                reading,
            })
        };
        let mut rows: Vec<Row> = Vec::new();
        for row in rooms.into_iter().filter_map(row) {
            // A room that is on several workers is one room.
            match rows
                .iter_mut()
                .find(|known| known.reading.room == row.reading.room)
            {
                Some(known) => {
                    known.reading.members += row.reading.members;
                    known.reading.subscribers += row.reading.subscribers;
                    known.reading.packets_out += row.reading.packets_out;
                    known.reading.tracks.extend(row.reading.tracks);
                }
                None => rows.push(row),
            }
        }
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = rows;
    }
}

impl Collector for RoomMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, help, grows, value) in ROOMS {
            let kind = if grows {
                MetricType::Counter
            } else {
                MetricType::Gauge
            };
            let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
            for row in rows.iter() {
                let labels = [("namespace", &*row.namespace), ("room", &*row.room)];
                let encoder = metric.encode_family(&labels)?;
                if grows {
                    ConstCounter::new(value(&row.reading)).encode(encoder)?;
                } else {
                    ConstGauge::new(i64::try_from(value(&row.reading)).unwrap_or(i64::MAX))
                        .encode(encoder)?;
                }
            }
        }
        for (name, help, value) in TRACKS {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for row in rows.iter() {
                for track in &row.reading.tracks {
                    let participant = crate::media::id_of(track.participant);
                    let id = crate::media::track_name(track.track);
                    let labels = [
                        ("namespace", &*row.namespace),
                        ("room", &*row.room),
                        ("participant", &*participant),
                        ("track", &*id),
                        ("source", source_name(track.source)),
                        ("codec", track.codec.name()),
                    ];
                    ConstCounter::new(value(track)).encode(metric.encode_family(&labels)?)?;
                }
            }
        }
        Ok(())
    }
}

const fn source_name(source: Source) -> &'static str {
    match source {
        Source::Microphone => "microphone",
        Source::Camera => "camera",
        Source::Screen => "screen",
        Source::ScreenAudio => "screen_audio",
        Source::Announcement => "announcement",
        Source::Other => "other",
    }
}
