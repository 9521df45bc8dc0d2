//! Transport-wide congestion control feedback: when each packet arrived
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1).

use crate::{Malformed, bytes::Reader};

/// How many statuses a packet may have: half of the sequence numbers, beyond which they could not be told apart.
pub const MOST_STATUSES: u16 = 1 << 15;

/// Microseconds in one unit of the reference time.
pub(super) const REFERENCE_UNIT: i64 = 64_000;
/// Microseconds in one unit of a delta.
pub(super) const DELTA_UNIT: i64 = 250;

/// A transport feedback whose chunks and deltas are all there.
#[derive(Clone, Copy, Debug)]
pub struct Twcc<'a> {
    /// Who reports.
    pub sender: u32,
    /// Of whom; senders put any of their sources here.
    pub media: u32,
    /// The transport-wide sequence number of the first status.
    pub base_sequence: u16,
    /// The number of this feedback packet; it wraps.
    pub feedback_count: u8,
    /// When the first delta begins to count, in units of 64 ms from an origin of the receiver's; 24 bits that wrap.
    pub reference_time_64ms: i32,
    status_count: u16,
    chunks: Reader<'a>,
    deltas: Reader<'a>,
}

impl<'a> Twcc<'a> {
    pub(super) fn read(mut body: Reader<'a>) -> Result<Twcc<'a>, Malformed> {
        let (sender, media) = (body.u32()?, body.u32()?);
        let (base_sequence, status_count) = (body.u16()?, body.u16()?);
        let last = body.u32()?;
        let [.., feedback_count] = last.to_be_bytes();
        if status_count > MOST_STATUSES {
            return Err(Malformed::TooMany);
        }
        let (chunks, deltas) = split(body, status_count)?;
        Ok(Twcc {
            sender,
            media,
            base_sequence,
            feedback_count,
            // The upper 24 bits, with their sign.
            reference_time_64ms: last as i32 >> 8,
            status_count,
            chunks,
            deltas,
        })
    }

    /// How many packets are reported on.
    #[must_use]
    pub fn status_count(&self) -> u16 {
        self.status_count
    }

    /// Each packet's sequence number, and when it arrived: microseconds from the origin of the reference time, or `None`
    /// if it did not.
    #[must_use]
    pub fn statuses(&self) -> Statuses<'a> {
        Statuses {
            sequence: self.base_sequence,
            left: self.status_count,
            chunk: Chunk::default(),
            chunks: self.chunks,
            deltas: self.deltas,
            arrival: i64::from(self.reference_time_64ms) * REFERENCE_UNIT,
        }
    }
}

/// Parts chunks from deltas, and checks that there are deltas for all that the chunks say.
fn split(mut body: Reader<'_>, status_count: u16) -> Result<(Reader<'_>, Reader<'_>), Malformed> {
    let whole = body;
    let (mut left, mut delta_bytes) = (status_count, 0);
    while left > 0 {
        let chunk = Chunk::from_wire(body.u16()?);
        let covered = chunk.left.min(left);
        delta_bytes += chunk.delta_bytes(covered);
        if covered == 0 {
            return Err(Malformed::Length);
        }
        left -= covered;
    }
    let chunks = whole.0.get(..whole.0.len() - body.0.len()).unwrap_or_default();
    let deltas = body.take(delta_bytes).map_err(|_| Malformed::Length)?;
    Ok((Reader(chunks), Reader(deltas)))
}

/// What is left of a packet status chunk.
#[derive(Clone, Copy, Debug, Default)]
struct Chunk {
    /// How many statuses are left.
    left: u16,
    /// How many bits each has; 0 for a run of equal ones.
    width: u16,
    /// The next status in the two highest of 14 bits (one for width 1), or the one that is repeated.
    symbols: u16,
}

impl Chunk {
    fn from_wire(chunk: u16) -> Chunk {
        match chunk >> 14 {
            0 | 1 => Chunk {
                left: chunk & 0x1FFF,
                width: 0,
                symbols: chunk >> 13 & 0x03,
            },
            2 => Chunk {
                left: 14,
                width: 1,
                symbols: chunk & 0x3FFF,
            },
            _ => Chunk {
                left: 7,
                width: 2,
                symbols: chunk & 0x3FFF,
            },
        }
    }

    /// The next status: how many bytes its delta has (0: not received). The fourth value is reserved.
    fn next(&mut self) -> u16 {
        self.left = self.left.saturating_sub(1);
        let symbol = match self.width {
            0 => self.symbols,
            width => self.symbols >> (14 - width),
        };
        self.symbols = if self.width == 0 {
            symbol
        } else {
            self.symbols << self.width & 0x3FFF
        };
        if symbol == 3 { 0 } else { symbol }
    }

    /// How many bytes the deltas of the next `count` statuses have.
    fn delta_bytes(mut self, count: u16) -> usize {
        if self.width == 0 {
            return usize::from(count) * usize::from(self.next());
        }
        (0..count).map(|_| usize::from(self.next())).sum()
    }
}

/// The statuses of a feedback, in the order of the sequence numbers.
#[derive(Clone, Copy, Debug)]
pub struct Statuses<'a> {
    sequence: u16,
    left: u16,
    chunk: Chunk,
    chunks: Reader<'a>,
    deltas: Reader<'a>,
    arrival: i64,
}

impl Statuses<'_> {
    fn delta(&mut self) -> Option<i64> {
        match self.chunk.next() {
            0 => None,
            1 => self.deltas.u8().ok().map(i64::from),
            _ => self.deltas.u16().ok().map(|delta| i64::from(delta as i16)),
        }
    }
}

impl Iterator for Statuses<'_> {
    type Item = (u16, Option<i64>);

    fn next(&mut self) -> Option<(u16, Option<i64>)> {
        self.left = self.left.checked_sub(1)?;
        if self.chunk.left == 0 {
            self.chunk = Chunk::from_wire(self.chunks.u16().ok()?);
        }
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        let arrival = self.delta().map(|delta| {
            self.arrival += delta * DELTA_UNIT;
            self.arrival
        });
        Some((sequence, arrival))
    }
}
