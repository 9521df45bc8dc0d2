//! What the media server is asked, and what it tells.

use std::sync::Arc;

use trefoil_rtp::Codec;
use trefoil_sfu::{Limit, Source, TrackId};

use crate::{AnnounceAsk, AnnouncementView, PlainAsk};

/// A room, as its owner numbers it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RoomKey(pub u64);

/// Something asked for by, or because of, one participant of one room.
#[derive(Clone, Debug)]
pub struct Command {
    /// The room.
    pub room: RoomKey,
    /// The participant, as the room numbers them.
    pub participant: u64,
    /// What.
    pub ask: Ask,
}

/// What somebody may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rights {
    /// Publish tracks.
    pub publish: bool,
    /// Receive them.
    pub subscribe: bool,
    /// Send data.
    pub message: bool,
}

/// What somebody has turned off, or had turned off by a moderator.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MuteState {
    /// The microphone.
    pub audio: bool,
    /// The camera.
    pub video: bool,
}

/// A track as somebody shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ViewWish {
    /// Which.
    pub track: TrackId,
    /// How many pixels high; 0 for not at all.
    pub height: u16,
    /// 1 is usual; the higher goes first where not all can be had.
    pub priority: u8,
}

/// How somebody wants to hear; what is `None` stays as it is.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct HearWish {
    /// All voices but their own in one stream, rather than each in one of its own.
    pub mixed: Option<bool>,
    /// Nothing at all.
    pub deafened: Option<bool>,
    /// The mix in two channels, everybody at their place.
    pub stereo: Option<bool>,
    /// Of the mix.
    pub bits_per_second: Option<u32>,
    /// Of its encoder: 0 (cheap) to 10.
    pub complexity: Option<u8>,
    /// By participant, how loud in the mix: 0 to 8, 1 as they are.
    pub volumes: Vec<(u64, f32)>,
}

impl HearWish {
    /// Volumes that are kept for one listener.
    pub const VOLUMES: usize = 256;
}

/// What somebody says of one thing that they publish.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Described {
    /// What it is.
    pub source: Source,
    /// What the application calls it, where that is [`Source::Other`].
    pub name: Option<Arc<str>>,
    /// By participant, who alone may receive it, from its first packet on; `None` for everybody.
    pub to: Option<Vec<u64>>,
}

impl From<Source> for Described {
    fn from(source: Source) -> Self {
        Self {
            source,
            name: None,
            to: None,
        }
    }
}

/// How somebody is heard in the mix; what is `None` stays as it is.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct VoiceWish {
    /// How loud: 0 to 8, 1 as they are.
    pub gain: Option<f32>,
    /// Where, for those who hear two channels: -1 is left, 1 is right.
    pub place: Option<f32>,
    /// Without the noise around them.
    pub denoise: Option<bool>,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub enum Ask {
    /// They are in the room now, or may do something else than before.
    Enter {
        /// What others call them.
        name: Arc<str>,
        /// What they may do.
        rights: Rights,
        /// What they have turned off.
        muted: MuteState,
        /// Whether they hear the room mixed unless they ask otherwise.
        mixed: bool,
    },
    /// They are gone.
    Leave,
    /// They publish: an offer, and what its m= sections are.
    Publish {
        /// The offer.
        offer: String,
        /// By mid, what is sent there.
        sources: Vec<(String, Described)>,
    },
    /// They want to receive: an offer is made to them.
    Subscribe {
        /// Places for sound; `None` for as many as usual.
        audio: Option<u8>,
        /// Places for video.
        video: Option<u8>,
        /// Only the way has changed: the transport stays (ICE restart).
        restart: bool,
    },
    /// Their answer to that offer.
    Answer {
        /// The answer.
        answer: String,
    },
    /// One connection both ways, as clients want it that know but one "other": their sound is everybody else's mix, their
    /// picture that of whoever speaks. Their offer, which is answered; without one they are made an offer.
    Call {
        /// The offer.
        offer: Option<String>,
    },
    /// What they show; `None` for everything there is.
    View(Option<Vec<ViewWish>>),
    /// How they want to hear.
    Hear(HearWish),
    /// How they are heard in the mix.
    Voice(VoiceWish),
    /// They are a gateway: plain RTP, and nothing else.
    Plain(Box<PlainAsk>),
    /// A sound is played into the room; asked by nobody in it.
    Announce(Box<AnnounceAsk>),
    /// An announcement stops.
    Silence(u64),
    /// Who may receive one of their tracks; `None` for everybody.
    Allow {
        /// Which.
        track: TrackId,
        /// Whom.
        to: Option<Vec<u64>>,
    },
}

/// A track as others are told of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrackView {
    /// Its id.
    pub track: TrackId,
    /// How it is coded.
    pub codec: Codec,
    /// What it is.
    pub source: Source,
    /// What the application calls it.
    pub name: Option<Arc<str>>,
    /// Whether nothing is forwarded of it.
    pub muted: bool,
}

/// What somebody is told.
#[derive(Clone, Debug)]
pub struct Notice {
    /// The room.
    pub room: RoomKey,
    /// Whom: one participant, or everybody.
    pub to: Option<u64>,
    /// What.
    pub told: Told,
}

/// What is told.
#[derive(Clone, PartialEq, Debug)]
pub enum Told {
    /// The answer to an offer, and which track is in which m= section.
    Published {
        /// The answer.
        answer: String,
        /// By mid.
        tracks: Vec<(String, TrackId)>,
    },
    /// An offer of places to receive in.
    Offer {
        /// The offer.
        offer: String,
    },
    /// The media server's half of a description of one connection both ways.
    Called {
        /// An offer, or the answer to theirs.
        description: String,
        /// Which.
        is_offer: bool,
    },
    /// What one participant publishes now, all of it.
    Tracks {
        /// Who.
        of: u64,
        /// What.
        tracks: Vec<TrackView>,
    },
    /// What is in which place: by mid.
    Slots(Vec<(String, TrackId)>),
    /// Who speaks, the dominant one first, and how loud: dBov.
    Speakers(Vec<(u64, i8)>),
    /// Only these encodings of a track are needed, by rid; none at all if it is empty and the track has rids.
    Needed {
        /// The track.
        track: TrackId,
        /// Which.
        rids: Vec<String>,
        /// Whether anything of it is needed.
        any: bool,
    },
    /// How somebody receives.
    Reception(Reception),
    /// What was asked for is not done.
    Refused {
        /// `publish`, `subscribe`, `answer` or `call`.
        of: &'static str,
        /// Why, for developers.
        why: String,
        /// Whether it is not allowed, rather than not understood.
        forbidden: bool,
    },
    /// How far something is that is played into the room.
    Announcement(AnnouncementView),
    /// You speak, but are muted: nobody hears it.
    TalksMuted,
    /// A transport is gone and must be begun anew: `publish`, `subscribe` or `call`.
    Lost(&'static str),
}

/// How somebody receives.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Reception {
    /// What the path carries, in bits a second.
    pub estimate: u64,
    /// Lost on the way, 0 to 1.
    pub loss: f32,
    /// There and back, in milliseconds.
    pub round_trip: u32,
    /// What is forwarded, by track.
    pub tracks: Vec<TrackReception>,
}

/// How one track is received.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrackReception {
    /// Which.
    pub track: TrackId,
    /// Bits a second of what is forwarded; 0 for nothing.
    pub bits_per_second: u64,
    /// Why not more.
    pub limit: Limit,
}
