//! The codecs that are forwarded.

/// A codec of [RFC 7874](https://www.rfc-editor.org/rfc/rfc7874), [RFC 7742](https://www.rfc-editor.org/rfc/rfc7742) or
/// of practice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// Opus, RFC 7587.
    Opus,
    /// Redundant audio around Opus, RFC 2198.
    Red,
    /// G.711 mu-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722.
    G722,
    /// VP8, RFC 7741.
    Vp8,
    /// VP9, RFC 9628.
    Vp9,
    /// AV1, its RTP payload specification.
    Av1,
    /// H.264, RFC 6184.
    H264,
}

impl Codec {
    /// All of them.
    pub const ALL: [Codec; 9] = [
        Codec::Opus,
        Codec::Red,
        Codec::Pcmu,
        Codec::Pcma,
        Codec::G722,
        Codec::Vp8,
        Codec::Vp9,
        Codec::Av1,
        Codec::H264,
    ];

    /// The codec of this encoding name, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Codec> {
        let named = |codec: &Codec| codec.name().eq_ignore_ascii_case(name);
        Codec::ALL.into_iter().find(named)
    }

    /// Whether it carries pictures.
    #[must_use]
    pub fn is_video(self) -> bool {
        match self {
            Codec::Vp8 | Codec::Vp9 | Codec::Av1 | Codec::H264 => true,
            Codec::Opus | Codec::Red | Codec::Pcmu | Codec::Pcma | Codec::G722 => false,
        }
    }

    /// Units of its RTP timestamps in a second. G.722 counts 8000 though it samples 16000 times (RFC 3551 section 4.5.2).
    #[must_use]
    pub fn clock_rate(self) -> u32 {
        match self {
            Codec::Opus | Codec::Red => 48_000,
            Codec::Pcmu | Codec::Pcma | Codec::G722 => 8_000,
            Codec::Vp8 | Codec::Vp9 | Codec::Av1 | Codec::H264 => 90_000,
        }
    }

    /// Its encoding name in SDP.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Codec::Opus => "opus",
            Codec::Red => "red",
            Codec::Pcmu => "PCMU",
            Codec::Pcma => "PCMA",
            Codec::G722 => "G722",
            Codec::Vp8 => "VP8",
            Codec::Vp9 => "VP9",
            Codec::Av1 => "AV1",
            Codec::H264 => "H264",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_codec_is_found_by_its_name_in_any_case() {
        for codec in Codec::ALL {
            assert_eq!(Codec::from_name(&codec.name().to_ascii_lowercase()), Some(codec));
        }
        assert_eq!(Codec::from_name("theora"), None);
    }

    #[test]
    fn pictures_count_ninety_thousand_and_sound_its_own_rate() {
        for codec in Codec::ALL {
            assert_eq!(codec.is_video(), codec.clock_rate() == 90_000, "{codec:?}");
        }
        assert_eq!(Codec::G722.clock_rate(), 8_000);
    }
}
