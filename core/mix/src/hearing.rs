//! What somebody hears and in which form: all who hear the same in the same form share one encoder.

use crate::codec::{Channels, Codec, FRAME, Quality};

/// Somebody in the room, by the number that whoever owns the mixer gave.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ParticipantId(pub u64);

/// A sound that is played into the room.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AnnouncementId(pub u64);

/// Whatever can be heard.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SourceId {
    /// Somebody's voice.
    Participant(ParticipantId),
    /// What is played beside the voices.
    Announcement,
}

/// How long a packet is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum PacketTime {
    /// 10 ms.
    Ten,
    /// 20 ms.
    #[default]
    Twenty,
    /// 40 ms.
    Forty,
    /// 60 ms.
    Sixty,
}

impl PacketTime {
    /// In samples of 48 kHz.
    #[must_use]
    pub fn samples(self) -> usize {
        match self {
            Self::Ten => FRAME / 2,
            Self::Twenty => FRAME,
            Self::Forty => 2 * FRAME,
            Self::Sixty => 3 * FRAME,
        }
    }
}

/// The form in which somebody receives the mix.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Output {
    /// The codec.
    pub codec: Codec,
    /// With places, or without.
    pub channels: Channels,
    /// How it is encoded.
    pub quality: Quality,
    /// How much a packet holds.
    pub packet_time: PacketTime,
}

impl Default for Output {
    fn default() -> Self {
        Self {
            codec: Codec::Opus,
            channels: Channels::Mono,
            quality: Quality::default(),
            packet_time: PacketTime::default(),
        }
    }
}

/// A gain in steps of 1/256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Gain(u16);

impl Gain {
    pub(crate) const PLAIN: Self = Self(256);
    pub(crate) const NOTHING: Self = Self(0);

    /// From 0 to 8; anything that is no number is plain.
    pub(crate) fn new(gain: f32) -> Self {
        if gain.is_finite() {
            Self((gain.clamp(0.0, 8.0) * 256.0).round() as u16)
        } else {
            Self::PLAIN
        }
    }

    pub(crate) fn factor(self) -> f32 {
        f32::from(self.0) / 256.0
    }
}

/// What a group hears: all that sounds, but for these differences.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Hearing {
    /// A talker, who does not hear themselves.
    pub(crate) own: Option<ParticipantId>,
    /// Who among the talkers is louder or quieter here.
    pub(crate) gains: Vec<(SourceId, Gain)>,
    pub(crate) output: Output,
}

impl Hearing {
    /// By which factor a source is heard here.
    pub(crate) fn factor(&self, source: SourceId) -> f32 {
        if self.own.is_some_and(|own| source == SourceId::Participant(own)) {
            return 0.0;
        }
        let gain = self.gains.iter().find(|(id, _)| *id == source);
        gain.map_or(1.0, |(_, gain)| gain.factor())
    }
}
