//! The VP8 payload descriptor ([RFC 7741 section 4.2](https://www.rfc-editor.org/rfc/rfc7741#section-4.2)).

use crate::{Malformed, Peek, bytes::Reader};

/// What stands before the VP8 data of each packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    /// N: nothing refers to this frame.
    pub non_reference: bool,
    /// S: a partition begins here.
    pub starts_partition: bool,
    /// PID: which partition.
    pub partition: u8,
    /// The picture id of 7 or 15 bits.
    pub picture_id: Option<u16>,
    /// TL0PICIDX.
    pub tl0: Option<u8>,
    /// TID.
    pub temporal: Option<u8>,
    /// Y: the frame refers to temporal layer 0 alone.
    pub layer_sync: bool,
    /// KEYIDX.
    pub key_index: Option<u8>,
    /// How many bytes the descriptor has.
    pub length: usize,
}

impl Descriptor {
    /// Reads the descriptor at the beginning of `payload`.
    ///
    /// # Errors
    /// [`Malformed::Short`] if it runs past the end.
    pub fn parse(payload: &[u8]) -> Result<Descriptor, Malformed> {
        let mut reader = Reader(payload);
        let first = reader.u8()?;
        let mut descriptor = Descriptor {
            non_reference: first & 0x20 != 0,
            starts_partition: first & 0x10 != 0,
            partition: first & 0x07,
            ..Descriptor::default()
        };
        let extended = if first & 0x80 == 0 { 0 } else { reader.u8()? };
        if extended & 0x80 != 0 {
            descriptor.picture_id = Some(picture_id(&mut reader)?);
        }
        if extended & 0x40 != 0 {
            descriptor.tl0 = Some(reader.u8()?);
        }
        if extended & 0x30 != 0 {
            let layers = reader.u8()?;
            if extended & 0x20 != 0 {
                descriptor.temporal = Some(layers >> 6);
                descriptor.layer_sync = layers & 0x20 != 0;
            }
            if extended & 0x10 != 0 {
                descriptor.key_index = Some(layers & 0x1F);
            }
        }
        descriptor.length = payload.len() - reader.0.len();
        Ok(descriptor)
    }

    /// Whether a frame begins here.
    #[must_use]
    pub fn starts_frame(&self) -> bool {
        self.starts_partition && self.partition == 0
    }
}

/// A picture id of 7 bits, or of 15 if its first bit is set.
pub(crate) fn picture_id(reader: &mut Reader<'_>) -> Result<u16, Malformed> {
    let first = reader.u8()?;
    if first & 0x80 == 0 {
        return Ok(u16::from(first));
    }
    Ok(u16::from(first & 0x7F) << 8 | u16::from(reader.u8()?))
}

/// Writes a picture id over one of the same width, wrapped inside that width; what follows it.
pub(crate) fn set_picture_id(at: &mut [u8], picture_id: u16) -> &mut [u8] {
    let [high, low] = picture_id.to_be_bytes();
    let width = if at.first().is_some_and(|first| first & 0x80 != 0) {
        2
    } else {
        1
    };
    let (id, rest) = at.split_at_mut(width.min(at.len()));
    match id {
        [only] => *only = low & 0x7F,
        [first, second] => [*first, *second] = [0x80 | high, low],
        _ => {}
    }
    rest
}

/// The first three bytes of a keyframe's data, its start code and its size.
fn keyframe_size(data: &[u8]) -> Option<(u16, u16)> {
    let [_, _, _, 0x9D, 0x01, 0x2A, w0, w1, h0, h1] = *data.first_chunk()? else {
        return None;
    };
    // The two highest bits of each are a scale.
    let side = |low, high| u16::from_le_bytes([low, high]) & 0x3FFF;
    Some((side(w0, w1), side(h0, h1)))
}

pub(crate) fn peek(marker: bool, payload: &[u8]) -> Result<Peek, Malformed> {
    let descriptor = Descriptor::parse(payload)?;
    let data = payload.get(descriptor.length..).unwrap_or_default();
    // P, the inverse keyframe bit of the frame's header.
    let inter_bit = data.first().ok_or(Malformed::Short)? & 0x01;
    let starts_frame = descriptor.starts_frame();
    let keyframe = starts_frame && inter_bit == 0;
    let temporal = descriptor.temporal.unwrap_or(0);
    Ok(Peek {
        keyframe,
        starts_frame,
        ends_frame: marker,
        spatial: 0,
        temporal,
        switch_point: temporal == 0 || descriptor.layer_sync,
        picture_id: descriptor.picture_id,
        tl0: descriptor.tl0,
        size: if keyframe { keyframe_size(data) } else { None },
        discardable: descriptor.non_reference,
    })
}

/// Sets picture id and TL0PICIDX, where the payload has them, each in the width that it has. A payload that is no VP8
/// stays as it is.
pub fn rewrite(payload: &mut [u8], picture_id: u16, tl0: u8) {
    let Ok(descriptor) = Descriptor::parse(payload) else {
        return;
    };
    // X and the second byte are there if one of the two is.
    let mut rest = payload.get_mut(2..).unwrap_or_default();
    if descriptor.picture_id.is_some() {
        rest = set_picture_id(rest, picture_id);
    }
    if let (Some(_), Some(index)) = (descriptor.tl0, rest.first_mut()) {
        *index = tl0;
    }
}
