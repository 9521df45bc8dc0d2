//! The payload types that subscribers are offered.

use trefoil_rtp::Codec;

/// One payload type of an offer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Payload {
    pub(crate) codec: Codec,
    pub(crate) number: u8,
    /// The payload type of its retransmissions (RFC 4588).
    pub(crate) retransmission: Option<u8>,
    pub(crate) rtpmap: &'static str,
    pub(crate) fmtp: Option<&'static str>,
}

/// In the order in which they are offered. RED carries Opus twice; who does not know it gets it once.
pub(crate) const AUDIO: &[Payload] = &[
    audio(
        Codec::Opus,
        111,
        "opus/48000/2",
        Some("minptime=10;useinbandfec=1;usedtx=1"),
    ),
    audio(Codec::Red, 63, "red/48000/2", Some("111/111")),
    audio(Codec::G722, 9, "G722/8000", None),
    audio(Codec::Pcmu, 0, "PCMU/8000", None),
    audio(Codec::Pcma, 8, "PCMA/8000", None),
];

/// In the order in which they are offered. One H.264 profile does, since decoders read the stream's own.
pub(crate) const VIDEO: &[Payload] = &[
    video(Codec::Vp8, 96, 97, "VP8/90000", None),
    video(Codec::Vp9, 98, 99, "VP9/90000", Some("profile-id=0")),
    video(
        Codec::H264,
        102,
        103,
        "H264/90000",
        Some("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"),
    ),
    video(
        Codec::Av1,
        45,
        46,
        "AV1/90000",
        Some("level-idx=5;profile=0;tier=0"),
    ),
];

const fn audio(codec: Codec, number: u8, rtpmap: &'static str, fmtp: Option<&'static str>) -> Payload {
    Payload {
        codec,
        number,
        retransmission: None,
        rtpmap,
        fmtp,
    }
}

const fn video(
    codec: Codec,
    number: u8,
    retransmission: u8,
    rtpmap: &'static str,
    fmtp: Option<&'static str>,
) -> Payload {
    Payload {
        codec,
        number,
        retransmission: Some(retransmission),
        rtpmap,
        fmtp,
    }
}

/// What was offered under this payload type.
pub(crate) fn payload_of(number: u8) -> Option<&'static Payload> {
    AUDIO.iter().chain(VIDEO).find(|payload| payload.number == number)
}

/// Under which payload types a codec goes out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Numbers {
    pub(crate) number: u8,
    /// Of its retransmissions, where the other side takes them.
    pub(crate) retransmission: Option<u8>,
}

/// The payload types of one transport, by codec: a row to look into, since each packet does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PayloadTypes([Option<Numbers>; Codec::ALL.len()]);

impl PayloadTypes {
    /// Nothing can go out.
    pub(crate) const NONE: Self = Self([None; Codec::ALL.len()]);

    #[inline]
    pub(crate) fn of(&self, codec: Codec) -> Option<Numbers> {
        *self.0.get(codec as usize)?
    }

    pub(crate) fn set(&mut self, codec: Codec, numbers: Numbers) {
        if let Some(known) = self.0.get_mut(codec as usize) {
            *known = Some(numbers);
        }
    }
}

/// As our own offers say.
impl Default for PayloadTypes {
    fn default() -> Self {
        let mut types = Self::NONE;
        for payload in AUDIO.iter().chain(VIDEO) {
            let numbers = Numbers {
                number: payload.number,
                retransmission: payload.retransmission,
            };
            types.set(payload.codec, numbers);
        }
        types
    }
}
