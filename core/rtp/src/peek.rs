//! What a forwarder must know of a packet, whatever its codec.

use crate::{Codec, DependencyReader, Malformed, av1, h264, vp8, vp9};

/// What a packet is to a forwarder. A layer that cannot be told is layer 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peek {
    /// It begins a frame of a key picture. A decoder starts at the one whose `spatial` is 0; those of the higher spatial
    /// layers of the same picture are part of it. Every packet of audio is one.
    pub keyframe: bool,
    /// It begins a frame (of one spatial layer). For H.264 without a descriptor: it may begin one.
    pub starts_frame: bool,
    /// It ends a frame (of one spatial layer).
    pub ends_frame: bool,
    /// The spatial layer.
    pub spatial: u8,
    /// The temporal layer.
    pub temporal: u8,
    /// A receiver who has this frame's lower layers may begin to receive this temporal layer here.
    pub switch_point: bool,
    /// The picture id (VP8, VP9) or frame number (AV1), if it is there.
    pub picture_id: Option<u16>,
    /// The running index of temporal layer 0, if it is there.
    pub tl0: Option<u8>,
    /// Width and height of this spatial layer; keyframes say it, unless the sender keeps it to itself.
    pub size: Option<(u16, u16)>,
    /// Nothing refers to this frame: it can be left out without harm to any other.
    pub discardable: bool,
}

/// Reads what a packet of `codec` is from its payload (without padding, not empty) and, if one is there, its dependency
/// descriptor extension. `dependency` keeps what earlier packets of the same encoding said.
///
/// # Errors
/// [`Malformed`] if the payload descriptor or the dependency descriptor cannot be read; such a packet is not forwarded.
pub fn peek(
    codec: Codec,
    marker: bool,
    payload: &[u8],
    dependency: &mut DependencyReader,
    descriptor: Option<&[u8]>,
) -> Result<Peek, Malformed> {
    match codec {
        Codec::Vp8 => vp8::peek(marker, payload),
        Codec::Vp9 => vp9::peek(marker, payload, dependency),
        Codec::Av1 => av1::peek(marker, payload, dependency, descriptor),
        Codec::H264 => h264::peek(marker, payload, dependency, descriptor),
        Codec::Opus | Codec::Red | Codec::Pcmu | Codec::Pcma | Codec::G722 => Ok(Peek {
            keyframe: true,
            starts_frame: true,
            ends_frame: true,
            switch_point: true,
            ..Peek::default()
        }),
    }
}
