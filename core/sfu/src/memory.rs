//! The last packets that went out to one subscriber, small enough to keep for each of their streams.

use std::time::Duration;

use crate::{Outgoing, Rewrite, Sent};

/// Packets that can be found again: more than a second of video.
const REMEMBERED: usize = 512;

/// A packet in 28 bytes.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Where it came from.
    sequence: u64,
    /// The low bits of the number that it went out under, and how many times these had wrapped.
    out: u16,
    wraps: u16,
    timestamp: u32,
    number: u16,
    tl0: u8,
    encoding: u8,
    kind: Kind,
    marker: bool,
    /// When it was last sent again, in milliseconds modulo 2^32; 0 for never.
    again: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Never,
    Nothing,
    Pictures,
    Frame,
}

const NEVER: Entry = Entry {
    sequence: 0,
    out: 0,
    wraps: 0,
    timestamp: 0,
    number: 0,
    tl0: 0,
    encoding: 0,
    kind: Kind::Never,
    marker: false,
    again: 0,
};

/// By the number that they went out under.
#[derive(Debug)]
pub(crate) struct Memory(Box<[Entry]>);

impl Memory {
    pub(crate) fn new() -> Self {
        Self(vec![NEVER; REMEMBERED].into_boxed_slice())
    }

    #[inline]
    pub(crate) fn keep(&mut self, encoding: u8, sequence: u64, outgoing: &Outgoing) {
        let (kind, number, tl0) = match outgoing.rewrite {
            Rewrite::Nothing => (Kind::Nothing, 0, 0),
            Rewrite::Pictures { picture, tl0 } => (Kind::Pictures, picture, tl0),
            Rewrite::Frame(frame) => (Kind::Frame, frame, 0),
        };
        if let Some(entry) = self.0.get_mut(outgoing.sequence as usize % REMEMBERED) {
            *entry = Entry {
                sequence,
                out: outgoing.sequence as u16,
                wraps: (outgoing.sequence >> 16) as u16,
                timestamp: outgoing.timestamp,
                number,
                tl0,
                encoding,
                kind,
                marker: outgoing.marker,
                again: 0,
            };
        }
    }

    /// Finds a packet to send it again, unless that was done less than `interval` ago.
    pub(crate) fn repeat(&mut self, out: u16, interval: Duration, now: Duration) -> Option<Sent> {
        let sent = self.find(out)?;
        let entry = self.0.get_mut(usize::from(out) % REMEMBERED)?;
        let milliseconds = now.as_millis() as u32;
        let since = u128::from(milliseconds.wrapping_sub(entry.again));
        if entry.again != 0 && since < interval.as_millis() {
            return None;
        }
        entry.again = milliseconds.max(1);
        Some(sent)
    }

    pub(crate) fn find(&self, out: u16) -> Option<Sent> {
        let entry = self.0.get(usize::from(out) % REMEMBERED)?;
        let rewrite = match entry.kind {
            Kind::Never => return None,
            Kind::Nothing => Rewrite::Nothing,
            Kind::Pictures => Rewrite::Pictures {
                picture: entry.number,
                tl0: entry.tl0,
            },
            Kind::Frame => Rewrite::Frame(entry.number),
        };
        (entry.out == out).then_some(Sent {
            outgoing: Outgoing {
                sequence: u64::from(entry.wraps) << 16 | u64::from(out),
                timestamp: entry.timestamp,
                marker: entry.marker,
                rewrite,
            },
            encoding: entry.encoding,
            sequence: entry.sequence,
        })
    }
}
