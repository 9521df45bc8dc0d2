//! Which packets of one stream have come, which are missing, and which are lost for good.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Packets of one stream that are waited for at once; of a larger gap the oldest are given up at once.
const MOST_MISSING: u64 = 1024;
/// After this long a missing packet is lost.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a packet may be late before it is asked for.
const REORDERING: Duration = Duration::from_millis(5);
/// How long until it is asked for again.
const AGAIN: Duration = Duration::from_millis(80);

/// What became of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Came {
    /// In order, or before others.
    New,
    /// It was missing.
    Late,
    /// It was there already, or was given up.
    Again,
}

/// What of one stream has come. Sequence numbers are extended.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    highest: Option<u64>,
    missing: BTreeMap<u64, Missing>,
    lost: u64,
}

#[derive(Clone, Copy, Debug)]
struct Missing {
    since: Instant,
    ask: Instant,
}

impl Arrivals {
    /// The highest sequence number so far.
    pub(crate) const fn highest(&self) -> Option<u64> {
        self.highest
    }

    /// Whether anything is waited for.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.missing.is_empty()
    }

    /// A packet has come.
    pub(crate) fn came(&mut self, sequence: u64, now: Instant) -> Came {
        let Some(highest) = self.highest else {
            self.highest = Some(sequence);
            return Came::New;
        };
        if sequence <= highest {
            return match self.missing.remove(&sequence) {
                Some(_) => Came::Late,
                None => Came::Again,
            };
        }
        self.highest = Some(sequence);
        let oldest = sequence.saturating_sub(MOST_MISSING).max(highest + 1);
        self.lost += oldest - (highest + 1);
        let missing = Missing {
            since: now,
            ask: now + REORDERING,
        };
        self.missing
            .extend((oldest..sequence).map(|absent| (absent, missing)));
        while self.missing.len() as u64 > MOST_MISSING {
            self.missing.pop_first();
            self.lost += 1;
        }
        Came::New
    }

    /// Gives up what has been missing for too long, and adds what is to be asked for now to `ask`, in order.
    pub(crate) fn look(&mut self, now: Instant, ask: &mut Vec<u16>) {
        let before = self.missing.len();
        self.missing.retain(|_, missing| now < missing.since + PATIENCE);
        self.lost += (before - self.missing.len()) as u64;
        for (sequence, missing) in &mut self.missing {
            if now >= missing.ask {
                missing.ask = now + AGAIN;
                ask.push(*sequence as u16);
            }
        }
    }

    /// Packets that were given up since this was asked last.
    pub(crate) const fn take_lost(&mut self) -> u64 {
        let lost = self.lost;
        self.lost = 0;
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_that_comes_late_is_not_lost_and_one_that_never_comes_is() {
        let (mut arrivals, start) = (Arrivals::default(), Instant::now());
        for sequence in [10, 11, 14] {
            assert_eq!(arrivals.came(sequence, start), Came::New);
        }
        let mut ask = Vec::new();
        arrivals.look(start, &mut ask);
        assert!(ask.is_empty(), "it may only be out of order");
        arrivals.look(start + REORDERING, &mut ask);
        assert_eq!(ask, [12, 13]);
        assert_eq!(arrivals.came(13, start + REORDERING), Came::Late);
        assert_eq!(arrivals.came(13, start + REORDERING), Came::Again);
        ask.clear();
        arrivals.look(start + REORDERING + AGAIN, &mut ask);
        assert_eq!((&ask[..], arrivals.take_lost()), (&[12][..], 0));
        arrivals.look(start + PATIENCE, &mut ask);
        assert_eq!((arrivals.take_lost(), arrivals.is_waiting()), (1, false));
        assert_eq!(
            arrivals.came(12, start + PATIENCE),
            Came::Again,
            "given up is given up"
        );
    }

    #[test]
    fn of_a_large_gap_the_oldest_are_lost_at_once_and_nothing_grows() {
        let (mut arrivals, now) = (Arrivals::default(), Instant::now());
        arrivals.came(0, now);
        arrivals.came(10_001, now);
        assert_eq!(arrivals.missing.len() as u64, MOST_MISSING);
        assert_eq!(arrivals.take_lost(), 10_000 - MOST_MISSING);
        arrivals.came(10_101, now);
        assert_eq!(arrivals.missing.len() as u64, MOST_MISSING);
        assert_eq!(arrivals.take_lost(), 99);
    }
}
