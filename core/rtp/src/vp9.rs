//! The VP9 payload descriptor ([RFC 9628 section 4.2](https://www.rfc-editor.org/rfc/rfc9628#section-4.2)).

use crate::{
    DependencyReader, Malformed, Peek,
    bytes::Reader,
    vp8::{picture_id, set_picture_id},
};

/// How many spatial layers a scalability structure can name.
const SPATIAL_LAYERS: usize = 8;
/// How many pictures a frame of flexible mode may refer to.
const MOST_REFERENCES: usize = 3;

/// What stands before the VP9 data of each packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    /// The picture id of 7 or 15 bits.
    pub picture_id: Option<u16>,
    /// P: it refers to earlier pictures.
    pub inter_picture_predicted: bool,
    /// F: flexible mode.
    pub flexible: bool,
    /// B: a frame begins here.
    pub starts_frame: bool,
    /// E: a frame ends here.
    pub ends_frame: bool,
    /// Z: higher spatial layers do not refer to this frame.
    pub not_reference_for_spatial: bool,
    /// TID.
    pub temporal: u8,
    /// U: higher temporal layers may be begun here.
    pub switching_up: bool,
    /// SID.
    pub spatial: u8,
    /// D: it refers to the spatial layer below.
    pub inter_layer_predicted: bool,
    /// TL0PICIDX.
    pub tl0: Option<u8>,
    /// Width and height of each spatial layer, if the scalability structure is there and says them.
    pub sizes: [Option<(u16, u16)>; SPATIAL_LAYERS],
    /// How many bytes the descriptor has.
    pub length: usize,
}

impl Descriptor {
    /// Reads the descriptor at the beginning of `payload`.
    ///
    /// # Errors
    /// [`Malformed::Short`] if it runs past the end, [`Malformed::TooMany`] for more than three references.
    pub fn parse(payload: &[u8]) -> Result<Descriptor, Malformed> {
        let mut reader = Reader(payload);
        let first = reader.u8()?;
        let mut descriptor = Descriptor {
            inter_picture_predicted: first & 0x40 != 0,
            flexible: first & 0x10 != 0,
            starts_frame: first & 0x08 != 0,
            ends_frame: first & 0x04 != 0,
            not_reference_for_spatial: first & 0x01 != 0,
            ..Descriptor::default()
        };
        if first & 0x80 != 0 {
            descriptor.picture_id = Some(picture_id(&mut reader)?);
        }
        if first & 0x20 != 0 {
            descriptor.layers(&mut reader)?;
        }
        if descriptor.flexible && descriptor.inter_picture_predicted {
            references(&mut reader)?;
        }
        if first & 0x02 != 0 {
            descriptor.structure(&mut reader)?;
        }
        descriptor.length = payload.len() - reader.0.len();
        Ok(descriptor)
    }

    fn layers(&mut self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        let indices = reader.u8()?;
        self.temporal = indices >> 5;
        self.switching_up = indices & 0x10 != 0;
        self.spatial = indices >> 1 & 0x07;
        self.inter_layer_predicted = indices & 0x01 != 0;
        if !self.flexible {
            self.tl0 = Some(reader.u8()?);
        }
        Ok(())
    }

    fn structure(&mut self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        let first = reader.u8()?;
        let layers = usize::from(first >> 5) + 1;
        if first & 0x10 != 0 {
            for size in self.sizes.iter_mut().take(layers) {
                *size = Some((reader.u16()?, reader.u16()?));
            }
        }
        if first & 0x08 != 0 {
            for _ in 0..reader.u8()? {
                let picture = reader.u8()?;
                reader.take(usize::from(picture >> 2 & 0x03))?;
            }
        }
        Ok(())
    }
}

/// Passes over the reference indices of flexible mode.
fn references(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    for _ in 0..MOST_REFERENCES {
        let more = reader.u8()? & 0x01 != 0;
        if !more {
            return Ok(());
        }
    }
    Err(Malformed::TooMany)
}

pub(crate) fn peek(
    marker: bool,
    payload: &[u8],
    dependency: &mut DependencyReader,
) -> Result<Peek, Malformed> {
    let descriptor = Descriptor::parse(payload)?;
    if descriptor.length == payload.len() {
        return Err(Malformed::Short);
    }
    let keyframe = dependency.key_picture.begins(&descriptor);
    let size = dependency.key_picture.sizes.get(usize::from(descriptor.spatial));
    Ok(Peek {
        keyframe,
        starts_frame: descriptor.starts_frame,
        ends_frame: descriptor.ends_frame || marker,
        spatial: descriptor.spatial,
        temporal: descriptor.temporal,
        switch_point: descriptor.temporal == 0 || descriptor.switching_up,
        picture_id: descriptor.picture_id,
        tl0: descriptor.tl0,
        size: size.copied().flatten().filter(|_| keyframe),
        discardable: false,
    })
}

/// The picture that is being received, if it is a key picture.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KeyPicture {
    id: Option<u16>,
    sizes: [Option<(u16, u16)>; SPATIAL_LAYERS],
}

impl KeyPicture {
    /// Whether a frame of a key picture begins: one that refers to no earlier picture and is of spatial layer 0, or of
    /// the same picture as such a one. A higher layer without earlier pictures may also begin in a picture that is not
    /// key.
    fn begins(&mut self, descriptor: &Descriptor) -> bool {
        if !descriptor.starts_frame {
            return false;
        }
        let refers = descriptor.inter_picture_predicted;
        if descriptor.spatial == 0 {
            *self = KeyPicture {
                id: descriptor.picture_id.filter(|_| !refers),
                sizes: descriptor.sizes,
            };
            return !refers;
        }
        !refers && self.id.is_some() && self.id == descriptor.picture_id
    }
}

/// Sets picture id and TL0PICIDX, where the payload has them, each in the width that it has. A payload that is no VP9
/// stays as it is.
pub fn rewrite(payload: &mut [u8], picture_id: u16, tl0: u8) {
    let Ok(descriptor) = Descriptor::parse(payload) else {
        return;
    };
    let mut rest = payload.get_mut(1..).unwrap_or_default();
    if descriptor.picture_id.is_some() {
        rest = set_picture_id(rest, picture_id);
    }
    // The layer indices stand before TL0PICIDX.
    if let (Some(_), Some(index)) = (descriptor.tl0, rest.get_mut(1)) {
        *index = tl0;
    }
}
