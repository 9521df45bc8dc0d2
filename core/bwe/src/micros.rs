//! Time as this crate counts it.

use std::ops::Add;
use std::time::Duration;

/// Microseconds since an origin of the caller's choice, which never go backwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub u64);

impl Micros {
    /// The origin.
    pub const ZERO: Micros = Micros(0);

    /// How much later this is than `earlier`; nothing if it is not.
    #[must_use]
    pub const fn since(self, earlier: Micros) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// So many seconds after the origin.
    #[must_use]
    pub const fn from_seconds(seconds: u64) -> Micros {
        Micros(seconds.saturating_mul(1_000_000))
    }

    /// So many milliseconds after the origin.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Micros {
        Micros(millis.saturating_mul(1000))
    }
}

impl Add<Duration> for Micros {
    type Output = Micros;

    fn add(self, more: Duration) -> Micros {
        let more = u64::try_from(more.as_micros()).unwrap_or(u64::MAX);
        Micros(self.0.saturating_add(more))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_added_and_compared_without_overflow() {
        let later = Micros::from_seconds(2) + Duration::from_millis(5);
        assert_eq!(later, Micros::from_millis(2005));
        assert_eq!(later.since(Micros::from_seconds(2)), Duration::from_millis(5));
        assert_eq!(Micros::ZERO.since(later), Duration::ZERO);
        assert_eq!(Micros(u64::MAX) + Duration::MAX, Micros(u64::MAX));
    }
}
