//! What was sent and not yet heard of: eight bytes for each packet, 2048 packets at most.

use std::time::Duration;

use crate::Micros;

/// The ring grows to this many packets: a second of 20 Mbit/s.
const MOST: usize = 2048;
const FEWEST: usize = 64;
/// After such a pause nothing older is of use. It also keeps every record younger than 2^32 microseconds.
const PAUSE: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fate {
    #[default]
    Unknown,
    Lost,
    Arrived,
}

#[derive(Clone, Copy, Debug, Default)]
struct Record {
    /// The low half of the time.
    sent: u32,
    bytes: u16,
    fate: Fate,
    cluster: u8,
}

/// What feedback has just told of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) sent: Micros,
    pub(crate) bytes: u16,
    /// The probe cluster it was part of; 0 for none.
    pub(crate) cluster: u8,
    /// It was reported lost before, and has arrived after all.
    pub(crate) late: bool,
}

/// Packets by sequence number. A packet beyond the bound forgets the oldest one, whose feedback then means nothing.
#[derive(Debug)]
pub(crate) struct History {
    /// A power of two long, or empty.
    ring: Vec<Record>,
    next: u16,
    len: usize,
    last: Micros,
}

impl History {
    pub(crate) const fn new() -> History {
        History {
            ring: Vec::new(),
            next: 0,
            len: 0,
            last: Micros::ZERO,
        }
    }

    pub(crate) fn push(&mut self, bytes: usize, cluster: u8, now: Micros) -> u16 {
        if now.since(self.last) > PAUSE {
            self.len = 0;
        }
        self.last = self.last.max(now);
        if self.len == self.ring.len() {
            self.make_room();
        }
        let sequence = self.next;
        let bytes = u16::try_from(bytes).unwrap_or(u16::MAX);
        if let Some(record) = self.at(sequence) {
            *record = Record {
                sent: now.0 as u32,
                bytes,
                fate: Fate::Unknown,
                cluster,
            };
        }
        self.next = sequence.wrapping_add(1);
        self.len += 1;
        sequence
    }

    /// Notes the fate of a packet. `None` if it is not known here, or if nothing new was said.
    pub(crate) fn settle(&mut self, sequence: u16, arrived: bool, now: Micros) -> Option<Settled> {
        let age = usize::from(self.next.wrapping_sub(sequence));
        if age == 0 || age > self.len {
            return None;
        }
        let record = self.at(sequence)?;
        let before = record.fate;
        if before == Fate::Arrived || (before == Fate::Lost && !arrived) {
            return None;
        }
        record.fate = if arrived { Fate::Arrived } else { Fate::Lost };
        let record = *record;
        let old = (now.0 as u32).wrapping_sub(record.sent);
        Some(Settled {
            sent: Micros(now.0.saturating_sub(u64::from(old))),
            bytes: record.bytes,
            cluster: record.cluster,
            late: before == Fate::Lost,
        })
    }

    /// Doubles the ring while the oldest packet is still of interest and the bound allows, else forgets that packet.
    fn make_room(&mut self) {
        let oldest = self.next.wrapping_sub(self.len as u16);
        let settled = self.at(oldest).is_some_and(|record| record.fate != Fate::Unknown);
        if self.ring.len() >= MOST || settled {
            self.len = self.len.saturating_sub(1);
            return;
        }
        let longer = (self.ring.len() * 2).clamp(FEWEST, MOST);
        let mut old = std::mem::replace(&mut self.ring, vec![Record::default(); longer]);
        let mask = old.len().wrapping_sub(1);
        for age in 1..=self.len {
            let sequence = self.next.wrapping_sub(age as u16);
            let moved = old.get_mut(usize::from(sequence) & mask).map(|record| *record);
            if let (Some(record), Some(place)) = (moved, self.at(sequence)) {
                *place = record;
            }
        }
    }

    fn at(&mut self, sequence: u16) -> Option<&mut Record> {
        let mask = self.ring.len().wrapping_sub(1);
        self.ring.get_mut(usize::from(sequence) & mask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(packets: u64) -> History {
        let mut history = History::new();
        for index in 0..packets {
            history.push(1000, 0, Micros(index));
        }
        history
    }

    #[test]
    fn a_record_is_eight_bytes_and_the_ring_is_bounded() {
        assert_eq!(size_of::<Record>(), 8);
        let mut history = filled(10_000);
        assert_eq!(history.ring.len(), MOST);
        assert_eq!(history.settle(0, true, Micros(10_000)), None);
    }

    #[test]
    fn a_packet_is_found_by_its_number_after_growth_and_after_the_numbers_wrapped() {
        let mut history = filled(70_000);
        for number in 68_000..70_000_u64 {
            let settled = history.settle(number as u16, true, Micros(80_000)).unwrap();
            assert_eq!(settled.sent, Micros(number));
        }
    }

    #[test]
    fn the_ring_stays_short_while_feedback_keeps_up() {
        let mut history = History::new();
        for index in 0..5000_u64 {
            let number = history.push(100, 0, Micros(index));
            history.settle(number, index % 7 != 0, Micros(index));
        }
        assert_eq!(history.ring.len(), FEWEST);
    }

    #[test]
    fn news_is_told_once_and_a_late_packet_is_told_as_late() {
        let mut history = filled(3);
        assert!(
            history
                .settle(1, false, Micros(9))
                .is_some_and(|settled| !settled.late)
        );
        assert_eq!(history.settle(1, false, Micros(9)), None);
        assert!(
            history
                .settle(1, true, Micros(9))
                .is_some_and(|settled| settled.late)
        );
        assert_eq!(history.settle(1, true, Micros(9)), None);
        assert_eq!(history.settle(1, false, Micros(9)), None);
        assert_eq!(history.settle(3, true, Micros(9)), None);
    }

    #[test]
    fn a_pause_forgets_what_was_sent_before_it() {
        let mut history = filled(3);
        let number = history.push(10, 0, Micros::from_seconds(5));
        assert_eq!(history.settle(0, true, Micros::from_seconds(5)), None);
        assert!(history.settle(number, true, Micros::from_seconds(5)).is_some());
    }

    #[test]
    fn the_time_of_sending_survives_the_wrap_of_its_low_half() {
        let mut history = History::new();
        let late = Micros((1 << 32) - 10);
        let number = history.push(10, 0, late);
        let settled = history
            .settle(number, true, late + Duration::from_millis(50))
            .unwrap();
        assert_eq!(settled.sent, late);
    }
}
