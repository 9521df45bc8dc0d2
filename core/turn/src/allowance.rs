//! What all allocations of one identity may carry together, on whichever shards they live.
//!
//! Two levels keep the packet path free of locks and nearly free of shared memory. All allocations of an identity share
//! an [`Allowance`]: one number for each rate, changed by compare-and-swap. Each allocation takes from it in advance what
//! the whole identity may carry in a hundredth of a second, and spends that alone ([`Purse`]). So together they carry
//! the rate, a burst of one second's worth, and at most a hundredth of a second's worth more for each allocation.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;
/// What is taken in advance is a second's worth divided by this.
const PARTS: u64 = 100;

/// The rates of one identity; `None` for no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdentityRates {
    /// Bits a second.
    pub bits_per_second: Option<u64>,
    /// Packets a second.
    pub packets_per_second: Option<u64>,
}

impl IdentityRates {
    pub(crate) fn are_limited(self) -> bool {
        self.bits_per_second.is_some() || self.packets_per_second.is_some()
    }
}

/// What one identity may still carry; clones share it. The default has no limit.
#[derive(Clone, Debug, Default)]
pub struct Allowance(Option<Arc<Shared>>);

#[derive(Debug, Default)]
struct Shared {
    rates: IdentityRates,
    bits: Meter,
    packets: Meter,
}

/// The moment at which all that was taken will have been earned, in nanoseconds on the clock of the shards, whose zeros
/// lie within a moment of each other.
#[derive(Debug, Default)]
struct Meter(AtomicU64);

impl Meter {
    /// Takes `units` if they are there.
    fn take(&self, units: u64, rate: u64, now: Duration) -> bool {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let cost = u128::from(units) * u128::from(SECOND) / u128::from(rate.max(1));
        let cost = u64::try_from(cost).unwrap_or(u64::MAX);
        let later = |earned: u64| {
            let next = earned.max(now).saturating_add(cost);
            (next <= now.saturating_add(SECOND)).then_some(next)
        };
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, later)
            .is_ok()
    }
}

impl Allowance {
    pub(crate) fn new(rates: IdentityRates) -> Allowance {
        Allowance(rates.are_limited().then(|| {
            Arc::new(Shared {
                rates,
                ..Shared::default()
            })
        }))
    }
}

/// What one allocation has taken from the allowance of its identity and not spent yet.
#[derive(Debug, Default)]
pub(crate) struct Purse {
    allowance: Allowance,
    bits: u64,
    packets: u64,
}

impl Purse {
    pub(crate) fn new(allowance: Allowance) -> Purse {
        Purse {
            allowance,
            bits: 0,
            packets: 0,
        }
    }

    /// Spends this much if the identity may carry it now.
    #[inline]
    pub(crate) fn spend(&mut self, packets: u64, bits: u64, now: Duration) -> bool {
        let Some(shared) = self.allowance.0.as_deref() else {
            return true;
        };
        let rates = shared.rates;
        let enough = fill(&mut self.bits, bits, (&shared.bits, rates.bits_per_second), now)
            && fill(
                &mut self.packets,
                packets,
                (&shared.packets, rates.packets_per_second),
                now,
            );
        if enough {
            self.bits = self.bits.saturating_sub(bits);
            self.packets = self.packets.saturating_sub(packets);
        }
        enough
    }
}

/// Takes more if `held` is less than `needed`: a part of a second's worth in advance, or just what is missing.
#[inline]
fn fill(held: &mut u64, needed: u64, (meter, rate): (&Meter, Option<u64>), now: Duration) -> bool {
    let Some(rate) = rate.filter(|_| *held < needed) else {
        return true;
    };
    let missing = needed - *held;
    for units in [missing.max(rate / PARTS), missing] {
        if meter.take(units, rate, now) {
            *held += units;
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowance(bits: Option<u64>, packets: Option<u64>) -> Allowance {
        Allowance::new(IdentityRates {
            bits_per_second: bits,
            packets_per_second: packets,
        })
    }

    /// How many packets of 100 bits pass if each purse tries `tries` times.
    fn passed(purses: &mut [Purse], tries: usize, milliseconds: u64) -> usize {
        let now = Duration::from_millis(milliseconds);
        (0..tries)
            .map(|_| {
                purses
                    .iter_mut()
                    .filter_map(|purse| purse.spend(1, 100, now).then_some(()))
                    .count()
            })
            .sum()
    }

    #[test]
    fn several_purses_together_carry_the_rate_and_no_more() {
        for (bits, packets) in [
            (Some(100_000), None),
            (None, Some(1000)),
            (Some(100_000), Some(1000)),
        ] {
            let shared = allowance(bits, packets);
            let mut purses: Vec<Purse> = (0..4).map(|_| Purse::new(shared.clone())).collect();
            assert_eq!(passed(&mut purses, 1000, 5000), 1000, "a second's worth at once");
            assert_eq!(
                passed(&mut purses, 1000, 5500),
                500,
                "then what half a second earns"
            );
            assert_eq!(
                passed(&mut purses, 1000, 60_000),
                1000,
                "and never more than a second's worth"
            );
        }
    }

    #[test]
    fn what_is_taken_in_advance_is_a_hundredth_of_a_second_for_each() {
        let shared = allowance(None, Some(1000));
        let (mut one, mut others) = (
            Purse::new(shared.clone()),
            (0..50).map(|_| Purse::new(shared.clone())).collect::<Vec<_>>(),
        );
        assert_eq!(passed(&mut others, 1, 0), 50);
        assert_eq!(
            passed(std::slice::from_mut(&mut one), 2000, 0),
            500,
            "the rest is put aside"
        );
        assert_eq!(passed(&mut others, 100, 0), 450, "for those who took it");
    }

    #[test]
    fn without_a_rate_there_is_no_limit() {
        let mut purse = Purse::new(allowance(None, None));
        assert!((0..10_000).all(|_| purse.spend(1, 1_000_000, Duration::ZERO)));
        let mut purse = Purse::new(allowance(None, Some(10)));
        assert!(purse.spend(1, u64::MAX, Duration::ZERO), "packets only");
    }

    #[test]
    fn shards_share_an_allowance_without_losing_any_of_it() {
        let shared = allowance(None, Some(10_000));
        let count = |shared: Allowance| {
            let mut purse = Purse::new(shared);
            (0..10_000)
                .filter(|_| purse.spend(1, 100, Duration::ZERO))
                .count()
        };
        let sum: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| count(shared.clone()))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert!((9_700..=10_000).contains(&sum), "{sum}");
    }
}
