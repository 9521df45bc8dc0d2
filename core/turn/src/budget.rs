//! How many answers a source gets before it has proved anything.

use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;
use std::time::Duration;

use crate::bucket::Bucket;
use crate::hash::Keyed;

/// Sources share a cell if they hash alike, so the table never grows. Which ones do is secret.
const CELLS: usize = 4096;

/// Answers a second for each source: an IPv4 address, or the /64 of an IPv6 one.
#[derive(Debug)]
pub(crate) struct Budget {
    cells: Box<[Bucket]>,
    rate: Option<u64>,
    keyed: Keyed,
}

impl Budget {
    /// `rate` answers a second and as many at once; `None` for no limit.
    pub(crate) fn new(rate: Option<u64>, keyed: Keyed) -> Budget {
        let cells = if rate.is_some() { CELLS } else { 0 };
        let full = Bucket::full(rate.unwrap_or(0), Duration::ZERO);
        Budget {
            cells: vec![full; cells].into_boxed_slice(),
            rate,
            keyed,
        }
    }

    /// Takes one answer for `source`, if there is one left.
    pub(crate) fn take(&mut self, source: IpAddr, now: Duration) -> bool {
        let mut hasher = self.keyed.build_hasher();
        match source {
            IpAddr::V4(ip) => hasher.write_u64(u32::from(ip).into()),
            IpAddr::V6(ip) => hasher.write_u128(u128::from(ip) >> 64 | 1 << 127),
        }
        let index = usize::try_from(hasher.finish() % CELLS as u64).unwrap_or(0);
        match (self.rate, self.cells.get_mut(index)) {
            (Some(rate), Some(cell)) => cell.take(1, rate, now),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_cannot_have_more_answers_than_its_budget_and_takes_none_from_others() {
        let mut budget = Budget::new(Some(20), Keyed(1, 2));
        let mut granted = |source: &str, second| {
            let source = source.parse().unwrap();
            (0..1000)
                .filter(|_| budget.take(source, Duration::from_secs(second)))
                .count()
        };
        assert_eq!(
            [
                granted("192.0.2.1", 0),
                granted("192.0.2.2", 0),
                granted("192.0.2.1", 1)
            ],
            [20, 20, 20]
        );
        assert_eq!(
            [granted("2001:db8::1", 0), granted("2001:db8::2", 0)],
            [20, 0],
            "a /64 is one source"
        );
    }

    #[test]
    fn without_a_rate_there_is_no_limit() {
        let mut budget = Budget::new(None, Keyed(1, 2));
        assert!((0..1000).all(|_| budget.take("192.0.2.1".parse().unwrap(), Duration::ZERO)));
    }
}
