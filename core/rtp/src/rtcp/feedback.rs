//! NACK, PLI, FIR and REMB: what receivers ask of senders.

use super::{begin, finish, format, kind};
use crate::bytes::Reader;

/// How many fields of a NACK are read, each of up to 17 numbers; as many as libwebrtc writes. The rest is not seen.
pub const MOST_NACK_FIELDS: usize = 253;

/// The sequence numbers of a NACK, in the order of the packet.
#[derive(Clone, Copy, Debug)]
pub struct NackSequences<'a> {
    fields: Reader<'a>,
    base: u16,
    /// What is lost after `base`: the lowest bit is the next number.
    following: u16,
}

impl<'a> NackSequences<'a> {
    pub(super) fn over(fields: Reader<'a>) -> NackSequences<'a> {
        let read = fields.0.get(..MOST_NACK_FIELDS * 4).unwrap_or(fields.0);
        NackSequences {
            fields: Reader(read),
            base: 0,
            following: 0,
        }
    }
}

impl Iterator for NackSequences<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        if self.following == 0 {
            let [a, b, c, d] = self.fields.chunk().ok()?;
            self.base = u16::from_be_bytes([a, b]);
            self.following = u16::from_be_bytes([c, d]);
            return Some(self.base);
        }
        let next = self.following.trailing_zeros() as u16 + 1;
        self.following &= self.following - 1;
        Some(self.base.wrapping_add(next))
    }
}

/// Sources and the numbers of the requests, in order.
#[derive(Clone, Copy, Debug)]
pub struct FirEntries<'a>(Reader<'a>);

impl<'a> FirEntries<'a> {
    pub(super) fn over(entries: Reader<'a>) -> FirEntries<'a> {
        FirEntries(entries)
    }
}

impl Iterator for FirEntries<'_> {
    type Item = (u32, u8);

    fn next(&mut self) -> Option<(u32, u8)> {
        let [a, b, c, d, number, _, _, _] = self.0.chunk().ok()?;
        Some((u32::from_be_bytes([a, b, c, d]), number))
    }
}

/// Asks `media` for packets again: `sequences` in order, as they were sent, so that neighbours share a field.
#[must_use]
pub fn write_nack(out: &mut [u8], sender: u32, media: u32, sequences: &[u16]) -> usize {
    let mut writer = begin(out, format::NACK, kind::TRANSPORT_FEEDBACK);
    writer.u32(sender);
    writer.u32(media);
    let mut rest = sequences.iter().copied().peekable();
    while let Some(base) = rest.next() {
        let mut following = 0_u16;
        // A distance of 1 to 16 has a bit in the mask.
        let distance = |sequence: &u16| sequence.wrapping_sub(base).wrapping_sub(1);
        while let Some(next) = rest.next_if(|sequence| distance(sequence) < 16) {
            following |= 1 << distance(&next);
        }
        writer.u16(base);
        writer.u16(following);
    }
    finish(writer)
}

/// Tells `media` that a picture was lost.
#[must_use]
pub fn write_pli(out: &mut [u8], sender: u32, media: u32) -> usize {
    let mut writer = begin(out, format::PLI, kind::PAYLOAD_FEEDBACK);
    writer.u32(sender);
    writer.u32(media);
    finish(writer)
}

/// Asks for keyframes: each source with the number of the request, which a repetition keeps.
#[must_use]
pub fn write_fir(out: &mut [u8], sender: u32, entries: &[(u32, u8)]) -> usize {
    let mut writer = begin(out, format::FIR, kind::PAYLOAD_FEEDBACK);
    writer.u32(sender);
    writer.u32(0);
    for (ssrc, number) in entries {
        writer.u32(*ssrc);
        writer.put(&[*number, 0, 0, 0]);
    }
    finish(writer)
}

/// Says how many bits a second can be taken over at most 255 sources. The number has 18 significant bits; what is below
/// them is cut off.
#[must_use]
pub fn write_remb(out: &mut [u8], sender: u32, bitrate: u64, ssrcs: &[u32]) -> usize {
    let mut writer = begin(out, format::APPLICATION, kind::PAYLOAD_FEEDBACK);
    writer.u32(sender);
    writer.u32(0);
    writer.put(b"REMB");
    let exponent = (u64::BITS - bitrate.leading_zeros()).saturating_sub(18);
    // 18 bits are left, and the exponent is at most 46.
    let mantissa = (bitrate >> exponent) as u32;
    let Ok(count) = u8::try_from(ssrcs.len()) else {
        writer.give_up();
        return finish(writer);
    };
    writer.u32(u32::from(count) << 24 | exponent << 18 | mantissa);
    ssrcs.iter().for_each(|ssrc| writer.u32(*ssrc));
    finish(writer)
}
