//! A token bucket on the caller's clock.

use std::time::Duration;

/// Grants up to `rate` units a second, with a burst of one second's worth.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    /// Units left, in billionths.
    level: u128,
    filled_at: Duration,
}

impl Bucket {
    pub(crate) fn full(rate: u64, now: Duration) -> Bucket {
        Bucket {
            level: capacity(rate),
            filled_at: now,
        }
    }

    /// Takes `cost` units if they are there.
    #[inline]
    pub(crate) fn take(&mut self, cost: u64, rate: u64, now: Duration) -> bool {
        let gained = now
            .saturating_sub(self.filled_at)
            .as_nanos()
            .saturating_mul(u128::from(rate));
        self.filled_at = now;
        self.level = capacity(rate).min(self.level.saturating_add(gained));
        match self.level.checked_sub(u128::from(cost) * 1_000_000_000) {
            Some(left) => {
                self.level = left;
                true
            }
            None => false,
        }
    }
}

fn capacity(rate: u64) -> u128 {
    u128::from(rate) * 1_000_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_grants_its_rate_and_no_more() {
        let mut bucket = Bucket::full(10, Duration::ZERO);
        assert!((0..10).all(|_| bucket.take(1, 10, Duration::ZERO)));
        assert!(!bucket.take(1, 10, Duration::ZERO));
        assert!(!bucket.take(1, 10, Duration::from_millis(99)));
        assert!(bucket.take(1, 10, Duration::from_millis(100)));
        assert!(!bucket.take(1, 10, Duration::from_millis(150)));
        assert!(
            !bucket.take(11, 10, Duration::from_secs(100)),
            "a second's worth is the most it holds"
        );
    }
}
