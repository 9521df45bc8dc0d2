//! Writing an RTP header with its extension.

use crate::{
    bytes::Writer,
    extension::{ONE_BYTE, TWO_BYTE},
};

/// The fields of an RTP header to be written.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeaderWriter<'a> {
    /// The marker bit.
    pub marker: bool,
    /// The payload type, 0 to 127.
    pub payload_type: u8,
    /// The sequence number.
    pub sequence: u16,
    /// The timestamp.
    pub timestamp: u32,
    /// Who sends.
    pub ssrc: u32,
    /// Who contributed; at most 15 are written.
    pub csrcs: &'a [u32],
}

impl HeaderWriter<'_> {
    /// Writes the header and `extensions` (id and value) to the beginning of `out`; how many bytes that took, or 0 if
    /// `out` is too short.
    ///
    /// The one-byte form is used if it can say all elements, else the two-byte form, which the receiver must have
    /// agreed to. An element with id 0 or more than 255 bytes cannot be said at all and is left out.
    #[must_use]
    pub fn write(&self, out: &mut [u8], extensions: &[(u8, &[u8])]) -> usize {
        let csrcs = self.csrcs.get(..15).unwrap_or(self.csrcs);
        let form = Form::of(extensions);
        let mut writer = Writer::new(out);
        let extension_bit = if form == Form::None { 0 } else { 0x10 };
        // At most 15.
        let count = csrcs.len() as u8;
        writer.u8(0x80 | extension_bit | count);
        writer.u8(u8::from(self.marker) << 7 | self.payload_type & 0x7F);
        writer.u16(self.sequence);
        writer.u32(self.timestamp);
        writer.u32(self.ssrc);
        csrcs.iter().for_each(|csrc| writer.u32(*csrc));
        form.write(&mut writer, extensions);
        writer.finish()
    }
}

/// Writes a header without CSRCs: [`HeaderWriter::write`] in one call.
#[must_use]
pub fn write_header(
    out: &mut [u8],
    marker: bool,
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    extensions: &[(u8, &[u8])],
) -> usize {
    let header = HeaderWriter {
        marker,
        payload_type,
        sequence,
        timestamp,
        ssrc,
        csrcs: &[],
    };
    header.write(out, extensions)
}

/// How long the header of [`write_header`] with these `extensions` is.
#[must_use]
pub fn header_length(extensions: &[(u8, &[u8])]) -> usize {
    let form = Form::of(extensions);
    if form == Form::None {
        return crate::FIXED_HEADER;
    }
    crate::FIXED_HEADER + 4 + form.elements_length(extensions).next_multiple_of(4)
}

/// How the elements are said.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    None,
    OneByte,
    TwoByte,
}

/// Whether an element can be said in any form.
fn sayable(element: &&(u8, &[u8])) -> bool {
    element.0 != 0 && element.1.len() <= 255
}

impl Form {
    fn of(extensions: &[(u8, &[u8])]) -> Form {
        let mut form = Form::None;
        for (id, value) in extensions.iter().filter(sayable) {
            if *id > 14 || !(1..=16).contains(&value.len()) {
                return Form::TwoByte;
            }
            form = Form::OneByte;
        }
        form
    }

    fn elements_length(self, extensions: &[(u8, &[u8])]) -> usize {
        let header = if self == Form::TwoByte { 2 } else { 1 };
        let sayable = extensions.iter().filter(sayable);
        sayable.map(|(_, value)| header + value.len()).sum()
    }

    fn write(self, writer: &mut Writer<'_>, extensions: &[(u8, &[u8])]) {
        if self == Form::None {
            return;
        }
        let words = self.elements_length(extensions).div_ceil(4);
        let Ok(words) = u16::try_from(words) else {
            return writer.give_up();
        };
        writer.u16(if self == Form::OneByte { ONE_BYTE } else { TWO_BYTE });
        writer.u16(words);
        for (id, value) in extensions.iter().filter(sayable) {
            // At most 255, and 1 to 16 in the one-byte form.
            let length = value.len() as u8;
            match self {
                Form::TwoByte => writer.put(&[*id, length]),
                Form::OneByte | Form::None => writer.u8(id << 4 | length.wrapping_sub(1) & 0x0F),
            }
            writer.put(value);
        }
        writer.pad();
    }
}
