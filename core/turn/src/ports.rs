//! Relay ports: chosen at random, kept unused for a while after they were closed.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::Shard;
use crate::random::Random;

/// The ports of one relay address that belong to one shard.
#[derive(Debug)]
pub(crate) struct Ports {
    range: RangeInclusive<u16>,
    shard: Shard,
    /// In use or in quarantine.
    taken: BTreeSet<u16>,
    /// Bounded by the range: each port is here at most once.
    quarantine: VecDeque<(Duration, u16)>,
}

impl Ports {
    pub(crate) fn new(range: RangeInclusive<u16>, shard: Shard) -> Ports {
        Ports {
            range,
            shard,
            taken: BTreeSet::new(),
            quarantine: VecDeque::new(),
        }
    }

    /// Picks a free port and marks it taken. With `even`, an even one; with `pair`, the next one is free too and taken.
    pub(crate) fn pick(&mut self, even: bool, pair: bool, random: &mut Random, now: Duration) -> Option<u16> {
        self.leave_quarantine(now);
        let (first, last) = (*self.range.start() / 2, *self.range.end() / 2);
        let pairs = u32::from(last.checked_sub(first)?) + 1;
        if self.taken.len() >= self.range.len() {
            return None;
        }
        let start = random.below(pairs);
        let odd_first = random.below(2) == 1 && !even;
        let candidates =
            (0..pairs).filter_map(|step| first.checked_add(u16::try_from((start + step) % pairs).ok()?));
        for half in candidates {
            let (low, high) = (half * 2, half * 2 + 1);
            let free = |port: u16| {
                self.range.contains(&port)
                    && self.shard.of_port(port) == self.shard.index
                    && !self.taken.contains(&port)
            };
            let choice = if pair {
                (free(low) && free(high)).then_some(low)
            } else if even {
                free(low).then_some(low)
            } else {
                let order = if odd_first { [high, low] } else { [low, high] };
                order.into_iter().find(|port| free(*port))
            };
            if let Some(port) = choice {
                self.taken.insert(port);
                if pair {
                    self.taken.insert(high);
                }
                return Some(port);
            }
        }
        None
    }

    /// Takes a port back, to be used again after `until`.
    pub(crate) fn give_back(&mut self, port: u16, until: Duration) {
        if self.taken.contains(&port) {
            self.quarantine.push_back((until, port));
        }
    }

    fn leave_quarantine(&mut self, now: Duration) {
        while let Some((until, port)) = self.quarantine.front()
            && *until <= now
        {
            self.taken.remove(port);
            self.quarantine.pop_front();
        }
    }
}

/// The ports of each relay address.
#[derive(Debug)]
pub(crate) struct RelayPorts {
    pub(crate) bound: IpAddr,
    pub(crate) advertised: IpAddr,
    pub(crate) ports: Ports,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_no_port_and_together_have_them_all() {
        let mut random = Random::new([5; 32]);
        let mut all = BTreeSet::new();
        for index in 0..3 {
            let mut ports = Ports::new(50_001..=50_020, Shard { index, count: 3 });
            while let Some(port) = ports.pick(false, false, &mut random, Duration::ZERO) {
                assert!(all.insert(port), "{port} twice");
            }
        }
        assert_eq!(all, (50_001..=50_020).collect());
    }

    #[test]
    fn a_closed_port_rests_before_it_is_used_again() {
        let mut random = Random::new([5; 32]);
        let mut ports = Ports::new(50_000..=50_000, Shard { index: 0, count: 1 });
        let mut pick =
            |ports: &mut Ports, second| ports.pick(true, false, &mut random, Duration::from_secs(second));
        assert_eq!([pick(&mut ports, 0), pick(&mut ports, 0)], [Some(50_000), None]);
        ports.give_back(50_000, Duration::from_secs(30));
        assert_eq!([pick(&mut ports, 29), pick(&mut ports, 30)], [None, Some(50_000)]);
    }

    #[test]
    fn a_pair_is_even_and_next() {
        let mut random = Random::new([5; 32]);
        let mut ports = Ports::new(50_001..=50_006, Shard { index: 0, count: 1 });
        let mut pick = |pair| ports.pick(true, pair, &mut random, Duration::ZERO);
        let mut pairs = [pick(true), pick(true), pick(true), pick(false)];
        pairs.sort_unstable();
        assert_eq!(
            pairs,
            [None, Some(50_002), Some(50_004), Some(50_006)],
            "50000 is outside and 50006 has no next"
        );
    }
}
