//! The AV1 aggregation header, and frames renumbered ([AV1 RTP payload](https://aomediacodec.github.io/av1-rtp-spec/)).

use crate::{DependencyReader, Malformed, Peek, bytes::Reader};

/// OBU types that stand at the beginning of a frame, as AV1 section 6.2.2 numbers them.
const SEQUENCE_HEADER: u8 = 1;
const TEMPORAL_DELIMITER: u8 = 2;
const FRAME_HEADER: u8 = 3;
const METADATA: u8 = 5;
const FRAME: u8 = 6;

/// The byte that stands before the OBU elements of each packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AggregationHeader {
    /// Z: the first element goes on with an OBU of the packet before.
    pub continues: bool,
    /// Y: the last element goes on in the next packet.
    pub continued: bool,
    /// W: how many elements there are; 0 if each has its length before it.
    pub elements: u8,
    /// N: the first packet of a coded video sequence.
    pub new_sequence: bool,
}

impl AggregationHeader {
    /// Reads the first byte of `payload`.
    ///
    /// # Errors
    /// [`Malformed::Short`] if there is none; [`Malformed::Field`] if a new sequence would go on with an old OBU.
    pub fn parse(payload: &[u8]) -> Result<AggregationHeader, Malformed> {
        let byte = Reader(payload).u8()?;
        let header = AggregationHeader {
            continues: byte & 0x80 != 0,
            continued: byte & 0x40 != 0,
            elements: byte >> 4 & 0x03,
            new_sequence: byte & 0x08 != 0,
        };
        if header.continues && header.new_sequence {
            return Err(Malformed::Field);
        }
        Ok(header)
    }
}

/// The header of the first OBU.
#[derive(Clone, Copy, Debug, Default)]
struct Obu {
    kind: u8,
    temporal: u8,
    spatial: u8,
}

impl Obu {
    /// The first OBU of a payload whose first element is a whole OBU or the beginning of one.
    fn first(payload: &[u8], header: AggregationHeader) -> Result<Obu, Malformed> {
        let mut reader = Reader(payload);
        reader.u8()?;
        if header.elements != 1 {
            leb128(&mut reader)?;
        }
        let first = reader.u8()?;
        let layers = if first & 0x04 == 0 { 0 } else { reader.u8()? };
        Ok(Obu {
            kind: first >> 3 & 0x0F,
            temporal: layers >> 5,
            spatial: layers >> 3 & 0x03,
        })
    }

    fn begins_frame(self) -> bool {
        matches!(
            self.kind,
            SEQUENCE_HEADER | TEMPORAL_DELIMITER | FRAME_HEADER | METADATA | FRAME
        )
    }
}

/// Passes over a length in groups of seven bits, at most eight bytes of them.
fn leb128(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    for _ in 0..8 {
        if reader.u8()? & 0x80 == 0 {
            return Ok(());
        }
    }
    Err(Malformed::Field)
}

pub(crate) fn peek(
    marker: bool,
    payload: &[u8],
    dependency: &mut DependencyReader,
    descriptor: Option<&[u8]>,
) -> Result<Peek, Malformed> {
    let header = AggregationHeader::parse(payload)?;
    if payload.len() < 2 {
        return Err(Malformed::Short);
    }
    match descriptor.map(|descriptor| dependency.read(descriptor)) {
        // Without a structure, as before the first key picture, the payload alone must do.
        Some(Err(Malformed::Template)) if !dependency.has_structure() => {}
        Some(Err(malformed)) => return Err(malformed),
        Some(Ok(descriptor)) => {
            let keyframe = descriptor.key_picture && descriptor.starts_frame;
            return Ok(Peek {
                keyframe,
                starts_frame: descriptor.starts_frame,
                ends_frame: descriptor.ends_frame,
                spatial: descriptor.spatial,
                temporal: descriptor.temporal,
                switch_point: descriptor.switch_point,
                picture_id: Some(descriptor.frame_number),
                tl0: None,
                size: descriptor.size.filter(|_| keyframe),
                discardable: descriptor.discardable,
            });
        }
        None => {}
    }
    let obu = if header.continues {
        Obu::default()
    } else {
        Obu::first(payload, header)?
    };
    Ok(Peek {
        keyframe: header.new_sequence,
        starts_frame: header.new_sequence || obu.begins_frame(),
        ends_frame: marker,
        spatial: obu.spatial,
        temporal: obu.temporal,
        switch_point: obu.temporal == 0,
        ..Peek::default()
    })
}

/// Sets the frame number of a dependency descriptor. One that is too short to have a number stays as it is.
pub fn rewrite_frame_number(descriptor: &mut [u8], frame: u16) {
    if let [_, high, low, ..] = descriptor {
        [*high, *low] = frame.to_be_bytes();
    }
}
