//! Between rooms and the media server: what people ask becomes its commands, what it tells becomes their messages.

use std::sync::Arc;

use tokio::sync::mpsc;
use trefoil_auth::Permission;
use trefoil_media::{
    Ask, Command, Described, HearWish, Limit, Media, MuteState, Notice, Progress, ROOM_ITSELF, Rights,
    RoomKey, Source, Told, TrackId, ViewWish, VoiceWish,
};
use trefoil_native::{CallWord, Lasting, MediaWord};
use trefoil_room::{Participant, ParticipantId};
use trefoil_wire::{
    Description, DescriptionKind, HeardAs, LimitedBy, MediaAsk, PublishedTrack, Reception, Refused,
    ServerMessage, Speaker, TrackKind, TrackPlace, TrackReception, TrackSource, Transport,
};

use crate::{
    announcements,
    shared::{At, Shared},
};

/// A running media server, and what it has to tell.
#[derive(Debug)]
pub struct MediaLink {
    /// The media server.
    pub media: Media,
    /// What it was given to tell with sends here.
    pub notices: mpsc::Receiver<Notice>,
}

/// What a hall says, as a command.
pub(crate) fn command(room: u64, of: ParticipantId, word: MediaWord<'_>) -> Command {
    let ask = match word {
        MediaWord::Is(participant, mixed) => entered(participant, mixed),
        MediaWord::Gone => Ask::Leave,
        MediaWord::Calls(offer) => Ask::Call { offer },
        MediaWord::Asks(ask) => asked(ask),
    };
    Command {
        room: RoomKey(room),
        participant: of.number(),
        ask,
    }
}

fn entered(participant: &Participant, mixed: bool) -> Ask {
    let may = |permission| participant.permissions.allow(permission);
    Ask::Enter {
        name: participant.id.to_string().into(),
        rights: Rights {
            publish: may(Permission::Publish),
            subscribe: may(Permission::Subscribe),
            message: may(Permission::Message),
        },
        muted: MuteState {
            audio: participant.muted.audio,
            video: participant.muted.video,
        },
        mixed,
    }
}

fn asked(ask: MediaAsk) -> Ask {
    match ask {
        MediaAsk::Publish { sdp, tracks } => Ask::Publish {
            offer: sdp,
            sources: tracks
                .into_iter()
                .map(|track| (track.mid, described(track.source, track.to.as_deref())))
                .collect(),
        },
        MediaAsk::Subscribe {
            audio_slots,
            video_slots,
            restart,
        } => Ask::Subscribe {
            audio: audio_slots,
            video: video_slots,
            restart,
        },
        MediaAsk::Answer { sdp } => Ask::Answer { answer: sdp },
        MediaAsk::View { tracks } => Ask::View(tracks.map(|tracks| {
            let wish = |shown: trefoil_wire::ShownTrack| {
                Some(ViewWish {
                    track: track_from(&shown.track)?,
                    height: shown.height,
                    priority: shown.priority,
                })
            };
            tracks.into_iter().filter_map(wish).collect()
        })),
        MediaAsk::Hear {
            audio,
            deafened,
            stereo,
            bitrate,
            complexity,
            volumes,
        } => Ask::Hear(HearWish {
            mixed: audio.map(|audio| audio == HeardAs::Mixed),
            deafened,
            stereo,
            bits_per_second: bitrate,
            complexity,
            volumes: volumes
                .into_iter()
                .filter_map(|(who, percent)| Some((ParticipantId::parse(&who)?.number(), factor(percent))))
                .collect(),
        }),
        MediaAsk::Voice {
            volume,
            place,
            denoise,
            ..
        } => Ask::Voice(voice(volume, place, denoise)),
        MediaAsk::Allow { track, to } => Ask::Allow {
            // There is no track 0.
            track: track_from(&track).unwrap_or(TrackId(0)),
            to: to.as_deref().map(numbers),
        },
    }
}

fn voice(volume: Option<u16>, place: Option<i8>, denoise: Option<bool>) -> VoiceWish {
    VoiceWish {
        gain: volume.map(factor),
        place: place.map(|place| f32::from(place) / 100.0),
        denoise,
    }
}

/// Percent as a factor.
fn factor(percent: u16) -> f32 {
    f32::from(percent) / 100.0
}

/// Tells everything that the media server says to whom it is for, until it says no more.
pub(crate) async fn pass_on(shared: Arc<Shared>, mut notices: mpsc::Receiver<Notice>) {
    while let Some(Notice { room, to, told }) = notices.recv().await {
        if let Told::Announcement(view) = &told {
            shared.announcements.follow(room.0, view);
        }
        let lasting = lasting(&told);
        let (to, now) = (to.map(ParticipantId::from_number), shared.now());
        let at = At {
            shared: &shared,
            host: "",
        };
        if let (Some(to), Some(word)) = (to, call_word(&told)) {
            let mut taken = false;
            shared
                .halls
                .with_key(room.0, |hall| taken = hall.call_says(to, word, &at, now));
            if taken {
                continue;
            }
        }
        let Some(message) = message(told, &shared) else {
            continue;
        };
        shared
            .halls
            .with_key(room.0, |hall| hall.pass_on(to, &message, lasting, &at, now));
    }
}

/// What becomes of a message for those who are away.
fn lasting(told: &Told) -> Lasting {
    match told {
        Told::Speakers(_) | Told::Reception(_) => Lasting::Passing,
        Told::TalksMuted => Lasting::ForThoseHere,
        Told::Announcement(view) if view.progress == Progress::Goes => Lasting::ForThoseHere,
        Told::Published { .. }
        | Told::Offer { .. }
        | Told::Called { .. }
        | Told::Tracks { .. }
        | Told::Slots(_)
        | Told::Needed { .. }
        | Told::Refused { .. }
        | Told::Announcement(_)
        | Told::Lost(_) => Lasting::Kept,
    }
}

/// What it means to somebody who came through another door, whose one connection this can only be about.
fn call_word(told: &Told) -> Option<CallWord> {
    match told {
        Told::Called {
            description,
            is_offer,
        } => Some(CallWord::Says(Description {
            kind: if *is_offer {
                DescriptionKind::Offer
            } else {
                DescriptionKind::Answer
            },
            sdp: description.clone(),
        })),
        Told::Lost(_) => Some(CallWord::Lost),
        Told::Refused {
            of: "call" | "answer",
            forbidden,
            ..
        } => Some(CallWord::Refused(refused_as(*forbidden))),
        Told::Published { .. }
        | Told::Offer { .. }
        | Told::Tracks { .. }
        | Told::Slots(_)
        | Told::Speakers(_)
        | Told::Needed { .. }
        | Told::Reception(_)
        | Told::Refused { .. }
        | Told::TalksMuted
        | Told::Announcement(_) => None,
    }
}

const fn refused_as(forbidden: bool) -> &'static str {
    if forbidden { "forbidden" } else { "unusable_sdp" }
}

fn message(told: Told, shared: &Shared) -> Option<ServerMessage> {
    Some(match told {
        Told::Published { answer, tracks } => ServerMessage::Published {
            sdp: answer,
            tracks: places(tracks),
        },
        Told::Offer { offer } => ServerMessage::Offer { sdp: offer },
        Told::Tracks { of, tracks } => ServerMessage::Tracks {
            participant: id_of(of),
            tracks: tracks.iter().map(track_of).collect(),
        },
        Told::Slots(slots) => ServerMessage::Slots { slots: places(slots) },
        Told::Speakers(speakers) => ServerMessage::Speakers {
            speakers: speakers
                .into_iter()
                .map(|(who, level)| Speaker {
                    participant: id_of(who),
                    level,
                })
                .collect(),
        },
        Told::Needed { track, rids, any } => ServerMessage::Needed {
            track: track_name(track),
            any,
            rids,
        },
        Told::Reception(reception) => ServerMessage::Reception(reception_of(&reception)),
        Told::Refused { of, why, forbidden } => {
            let code = refused_as(forbidden);
            shared.metrics.refused(code);
            ServerMessage::Refused(Refused {
                of: Some(of.to_owned()),
                code: code.to_owned(),
                message: why,
                retry_after_seconds: None,
            })
        }
        // Our own clients do not ask for that.
        Told::Called { .. } => return None,
        Told::Announcement(view) => ServerMessage::Announcement(announcements::message(&view)),
        Told::TalksMuted => ServerMessage::TalkingMuted,
        Told::Lost("publish") => ServerMessage::MediaLost {
            transport: Transport::Publish,
        },
        Told::Lost(_) => ServerMessage::MediaLost {
            transport: Transport::Subscribe,
        },
    })
}

fn reception_of(reception: &trefoil_media::Reception) -> Reception {
    let tracks = reception.tracks.iter().map(|track| TrackReception {
        track: track_name(track.track),
        kbps: track.bits_per_second / 1000,
        limited_by: match track.limit {
            Limit::Nothing => LimitedBy::Nothing,
            Limit::View => LimitedBy::View,
            Limit::Bandwidth => LimitedBy::Bandwidth,
        },
    });
    Reception {
        estimate_kbps: reception.estimate / 1000,
        loss: reception.loss,
        round_trip_ms: reception.round_trip,
        tracks: tracks.collect(),
    }
}

fn track_of(track: &trefoil_media::TrackView) -> PublishedTrack {
    PublishedTrack {
        track: track_name(track.track),
        kind: if track.codec.is_video() {
            TrackKind::Video
        } else {
            TrackKind::Audio
        },
        source: match track.source {
            Source::Microphone => TrackSource::Microphone,
            Source::Camera => TrackSource::Camera,
            Source::Screen => TrackSource::Screen,
            Source::ScreenAudio => TrackSource::ScreenAudio,
            Source::Announcement => TrackSource::Announcement,
            Source::Other => {
                let name = track.name.as_deref().map(str::to_owned);
                let named = name.and_then(|name| TrackSource::try_from(name).ok());
                named.unwrap_or(TrackSource::Other)
            }
        },
        codec: track.codec.name().to_owned(),
        muted: track.muted,
    }
}

fn places(tracks: Vec<(String, TrackId)>) -> Vec<TrackPlace> {
    let place = |(mid, track)| TrackPlace {
        mid,
        track: track_name(track),
    };
    tracks.into_iter().map(place).collect()
}

fn described(source: TrackSource, to: Option<&[String]>) -> Described {
    let (source, name) = match source {
        TrackSource::Microphone => (Source::Microphone, None),
        TrackSource::Camera => (Source::Camera, None),
        TrackSource::Screen => (Source::Screen, None),
        TrackSource::ScreenAudio => (Source::ScreenAudio, None),
        // Nobody but the room itself announces.
        TrackSource::Announcement | TrackSource::Other => (Source::Other, None),
        TrackSource::Named(name) => (Source::Other, Some(name.as_str().into())),
    };
    Described {
        source,
        name,
        to: to.map(numbers),
    }
}

/// The participants that these are, as far as they can be any.
fn numbers(ids: &[String]) -> Vec<u64> {
    let ids = ids.iter().filter_map(|id| ParticipantId::parse(id));
    ids.map(ParticipantId::number).collect()
}

/// What a participant is called; the room itself is one where it speaks.
pub(crate) fn id_of(participant: u64) -> String {
    if participant == ROOM_ITSELF {
        return "room".to_owned();
    }
    ParticipantId::from_number(participant).to_string()
}

pub(crate) fn track_name(track: TrackId) -> String {
    if track == TrackId::MIX {
        "mix".to_owned()
    } else {
        format!("t_{}", track.0)
    }
}

fn track_from(name: &str) -> Option<TrackId> {
    name.strip_prefix("t_")?.parse().ok().map(TrackId)
}
