//! Messages between a participant and the media server: offers and answers, tracks, what is shown and how it arrives.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::TrackSource;

/// What a participant asks of the media server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum MediaAsk {
    /// Publishes: an offer of what is sent from now on, all of it.
    Publish {
        /// The offer.
        sdp: String,
        /// What its m= sections are; those left out are a microphone or a camera.
        #[serde(default)]
        tracks: Vec<PublishedSource>,
    },
    /// Wants to receive; an `offer` is the answer.
    Subscribe {
        /// Places for sound; as many as usual if it is left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        audio_slots: Option<u8>,
        /// Places for video.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        video_slots: Option<u8>,
        /// The network has changed and the transport stays (ICE restart); otherwise a new one is begun.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        restart: bool,
    },
    /// The answer to the last `offer`.
    Answer {
        /// The answer.
        sdp: String,
    },
    /// What is shown.
    View {
        /// The most important first; everything there is where it is left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tracks: Option<Vec<ShownTrack>>,
    },
    /// How you want to hear; what is left out stays as it is.
    Hear {
        /// All others in one stream, or each in one of their own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        audio: Option<HeardAs>,
        /// Nothing at all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deafened: Option<bool>,
        /// The mix in two channels, everybody at their place.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stereo: Option<bool>,
        /// Bits a second of the mix.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bitrate: Option<u32>,
        /// Of the mix's encoder: 0 (cheap) to 10.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        complexity: Option<u8>,
        /// By participant, how loud in the mix: percent, at most 800.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        volumes: BTreeMap<String, u16>,
    },
    /// How you, or for moderators somebody else, are heard in the mix; what is left out stays as it is.
    Voice {
        /// Who; you where it is left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        participant: Option<String>,
        /// How loud: percent, at most 800.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        volume: Option<u16>,
        /// Where, for those who hear two channels: -100 is left, 100 is right.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        place: Option<i8>,
        /// Without the noise around them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        denoise: Option<bool>,
    },
    /// Who may receive a track.
    Allow {
        /// One of yours.
        track: String,
        /// Ids of participants; everybody where it is left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Vec<String>>,
    },
}

impl MediaAsk {
    /// The types of all these messages.
    pub const TYPES: [&'static str; 7] = ["publish", "subscribe", "answer", "view", "hear", "voice", "allow"];

    /// The message's `type`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Publish { .. } => "publish",
            Self::Subscribe { .. } => "subscribe",
            Self::Answer { .. } => "answer",
            Self::View { .. } => "view",
            Self::Hear { .. } => "hear",
            Self::Voice { .. } => "voice",
            Self::Allow { .. } => "allow",
        }
    }
}

/// How others are heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeardAs {
    /// All but oneself in one stream.
    Mixed,
    /// Each in one of their own.
    Separate,
}

/// What is sent in one m= section.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PublishedSource {
    /// The m= section.
    pub mid: String,
    /// What it is.
    pub source: TrackSource,
    /// Ids of those who alone may receive it, from its first packet on; everybody where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Vec<String>>,
}

/// A track as it is shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ShownTrack {
    /// Which.
    pub track: String,
    /// How many pixels high; 0 for not at all.
    pub height: u16,
    /// 1 is usual; the higher goes first where not all can be had.
    #[serde(default = "usual")]
    pub priority: u8,
}

const fn usual() -> u8 {
    1
}

/// Which track is in which m= section.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TrackPlace {
    /// The m= section.
    pub mid: String,
    /// The track.
    pub track: String,
}

/// A track as others are told of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PublishedTrack {
    /// Its id, which nothing else in this room ever has.
    pub track: String,
    /// `audio` or `video`.
    pub kind: TrackKind,
    /// What it is.
    pub source: TrackSource,
    /// How it is coded: `opus`, `VP8`, ...
    pub codec: String,
    /// Nothing of it is forwarded, by its owner's or a moderator's will.
    pub muted: bool,
}

/// Sound or picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrackKind {
    /// Sound.
    Audio,
    /// Picture.
    Video,
}

/// Somebody who speaks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Speaker {
    /// Who.
    pub participant: String,
    /// How loud: 0 is as loud as can be, -127 is silence (dBov).
    pub level: i8,
}

/// How you receive.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Reception {
    /// What the path to you carries.
    pub estimate_kbps: u64,
    /// The part of packets that is lost on the way to you, 0 to 1.
    pub loss: f32,
    /// To you and back.
    pub round_trip_ms: u32,
    /// Every video in one of your places.
    pub tracks: Vec<TrackReception>,
}

/// How you receive one track.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TrackReception {
    /// Which.
    pub track: String,
    /// What of it is sent to you; 0 for nothing.
    pub kbps: u64,
    /// Why not more.
    pub limited_by: LimitedBy,
}

/// Why not more of a track is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitedBy {
    /// It is all there is.
    Nothing,
    /// It is shown small, or not at all.
    View,
    /// The path does not carry more.
    Bandwidth,
}

/// One of your two transports.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// The one that you publish on.
    Publish,
    /// The one that you receive on.
    Subscribe,
}
