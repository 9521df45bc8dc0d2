//! A flow that fills queues until they overflow, as TCP Reno does (RFC 5681).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::LinkModel;

const SEGMENT: usize = 1500;

/// A bulk transfer. What is acknowledged widens its window, what is lost halves it.
#[derive(Clone, Debug, Default)]
pub struct RenoFlow {
    window: f64,
    threshold: f64,
    in_flight: u64,
    sent: u64,
    /// When the sender learns the fate of a segment: (its number, whether it arrived).
    fates: BTreeMap<(Duration, u64), bool>,
    /// Losses of segments before this one belong to a halving that was done.
    halved_at: u64,
    arrived_bytes: u64,
}

impl RenoFlow {
    /// A transfer that begins with ten segments.
    #[must_use]
    pub fn new() -> RenoFlow {
        RenoFlow {
            window: 10.0,
            threshold: f64::INFINITY,
            ..RenoFlow::default()
        }
    }

    /// Bytes that have arrived.
    #[must_use]
    pub fn arrived_bytes(&self) -> u64 {
        self.arrived_bytes
    }

    /// Learns what became of its segments and sends what its window allows.
    pub fn run(&mut self, link: &mut LinkModel, now: Duration) {
        while let Some(((_, number), arrived)) = self.fates.first_key_value().map(|(key, fate)| (*key, *fate))
            && self
                .fates
                .first_key_value()
                .is_some_and(|((at, _), _)| *at <= now)
        {
            self.fates.pop_first();
            self.learn(number, arrived);
        }
        while self.in_flight < self.window as u64 {
            let back = link.settings().delay;
            let would_take = link.queue_delay(now) + link.settings().delay;
            let arrival = link.send(SEGMENT, now);
            let known = arrival.unwrap_or(now + would_take) + back;
            self.fates.insert((known, self.sent), arrival.is_some());
            self.sent += 1;
            self.in_flight += 1;
        }
    }

    fn learn(&mut self, number: u64, arrived: bool) {
        self.in_flight -= 1;
        if arrived {
            self.arrived_bytes += SEGMENT as u64;
            let slow_start = self.window < self.threshold;
            self.window += if slow_start { 1.0 } else { 1.0 / self.window };
        } else if number >= self.halved_at {
            self.threshold = (self.window / 2.0).max(2.0);
            self.window = self.threshold;
            self.halved_at = self.sent;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Capacity, LinkSettings, Seed};

    #[test]
    fn a_bulk_transfer_fills_the_link_and_its_queue() {
        let settings = LinkSettings::new(Capacity::constant(2_000_000));
        let mut link = LinkModel::new(settings, Seed::new(1));
        let mut flow = RenoFlow::new();
        let mut longest = Duration::ZERO;
        for millis in 0..20_000 {
            let now = Duration::from_millis(millis);
            flow.run(&mut link, now);
            longest = longest.max(link.queue_delay(now));
        }
        let rate = flow.arrived_bytes() * 8 / 20;
        assert!(rate > 1_800_000, "{rate}");
        assert!(longest > Duration::from_millis(290), "{longest:?}");
    }
}
