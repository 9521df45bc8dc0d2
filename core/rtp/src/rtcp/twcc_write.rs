//! Writing transport-wide congestion control feedback.

use super::{
    MOST_STATUSES, begin, finish, format, kind,
    twcc::{DELTA_UNIT, REFERENCE_UNIT},
};
use crate::bytes::Writer;

/// The most statuses that one run says.
const LONGEST_RUN: u16 = 0x1FFF;
/// Statuses in a vector of two bits each.
const VECTOR: u16 = 7;

/// Writes when packets arrived: `statuses` are sequence numbers in the order of sending and microseconds from an origin
/// of the caller's, rounded down to 250. A number that is left out counts as not received.
///
/// 0 also if a packet came more than 8.19 s after the one before it, or the numbers span more than [`MOST_STATUSES`]:
/// then say it in two.
#[must_use]
pub fn write_twcc(
    out: &mut [u8],
    sender: u32,
    media: u32,
    feedback_count: u8,
    statuses: &[(u16, Option<i64>)],
) -> usize {
    let mut writer = begin(out, format::TWCC, kind::TRANSPORT_FEEDBACK);
    let (Some((base, _)), Some((last, _))) = (statuses.first(), statuses.last()) else {
        return 0;
    };
    let count = last.wrapping_sub(*base).wrapping_add(1);
    if count == 0 || count > MOST_STATUSES {
        return 0;
    }
    let first_arrival = statuses.iter().find_map(|(_, arrival)| *arrival).unwrap_or(0);
    let reference = first_arrival.div_euclid(REFERENCE_UNIT);
    writer.u32(sender);
    writer.u32(media);
    writer.u16(*base);
    writer.u16(count);
    // The lower 24 bits: the reference time wraps.
    writer.u32((reference as u32) << 8 | u32::from(feedback_count));
    let symbols = Symbols {
        statuses,
        next: *base,
        units: reference * (REFERENCE_UNIT / DELTA_UNIT),
    };
    put_chunks(&mut writer, symbols.clone());
    for symbol in symbols {
        match symbol {
            Symbol::Lost => {}
            Symbol::Small(delta) => writer.u8(delta),
            Symbol::Large(delta) => writer.put(&delta.to_be_bytes()),
            Symbol::TooLarge => writer.give_up(),
        }
    }
    finish(writer)
}

/// Runs where seven or more are alike or all that is left is, vectors of two bits elsewhere.
fn put_chunks(writer: &mut Writer<'_>, mut symbols: Symbols<'_>) {
    while let Some(first) = symbols.clone().next() {
        let alike = symbols.clone().take_while(|symbol| symbol.code() == first.code());
        let run = alike.take(usize::from(LONGEST_RUN)).count() as u16;
        if run >= VECTOR || symbols.clone().nth(usize::from(run)).is_none() {
            writer.u16(first.code() << 13 | run);
            symbols.by_ref().take(usize::from(run)).for_each(drop);
            continue;
        }
        let mut chunk = 0;
        for place in (0..VECTOR).rev() {
            let code = symbols.next().map_or(0, Symbol::code);
            chunk |= code << (2 * place);
        }
        writer.u16(0xC000 | chunk);
    }
}

/// What became of one packet, and its delta in units of 250 microseconds.
#[derive(Clone, Copy)]
enum Symbol {
    Lost,
    Small(u8),
    Large(i16),
    TooLarge,
}

impl Symbol {
    fn code(self) -> u16 {
        match self {
            Symbol::Lost => 0,
            Symbol::Small(_) => 1,
            Symbol::Large(_) | Symbol::TooLarge => 2,
        }
    }
}

/// The symbols of all sequence numbers from the first to the last.
#[derive(Clone)]
struct Symbols<'a> {
    statuses: &'a [(u16, Option<i64>)],
    next: u16,
    /// When the last packet arrived.
    units: i64,
}

impl Iterator for Symbols<'_> {
    type Item = Symbol;

    fn next(&mut self) -> Option<Symbol> {
        let ((sequence, arrival), rest) = self.statuses.split_first()?;
        let here = self.next;
        self.next = here.wrapping_add(1);
        if *sequence != here {
            return Some(Symbol::Lost);
        }
        self.statuses = rest;
        let Some(arrival) = arrival else {
            return Some(Symbol::Lost);
        };
        let units = arrival.div_euclid(DELTA_UNIT);
        let delta = units - self.units;
        self.units = units;
        let small = u8::try_from(delta).map(Symbol::Small);
        Some(
            small
                .or_else(|_| i16::try_from(delta).map(Symbol::Large))
                .unwrap_or(Symbol::TooLarge),
        )
    }
}
