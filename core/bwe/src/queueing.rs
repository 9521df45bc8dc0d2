//! How long the queue of the path is: the delay above the least delay that was seen lately.

use std::time::Duration;

use crate::Micros;

/// The least delay is that of this time and of the one before it.
const WINDOW: Duration = Duration::from_secs(30);

/// One-way delays on two clocks, of which only differences mean something.
#[derive(Debug, Default)]
pub(crate) struct Queueing {
    least: Option<i64>,
    least_before: Option<i64>,
    turned: Micros,
    /// The least delay since the last feedback: jitter and bursts make single packets late, a queue makes all late.
    lately: Option<i64>,
    queue: Duration,
}

impl Queueing {
    /// Notes the delay of one packet.
    pub(crate) fn add(&mut self, one_way: i64) {
        self.lately = least(self.lately, Some(one_way));
    }

    /// Closes what one feedback told.
    pub(crate) fn update(&mut self, now: Micros) {
        let Some(lately) = self.lately.take() else {
            return;
        };
        if now.since(self.turned) > WINDOW {
            (self.least_before, self.least) = (self.least, None);
            self.turned = now;
        }
        self.least = least(self.least, Some(lately));
        let base = least(self.least, self.least_before).unwrap_or(lately);
        let above = u64::try_from(lately.saturating_sub(base)).unwrap_or(0);
        self.queue = Duration::from_micros(above);
    }

    /// The queue as of the last feedback.
    pub(crate) fn queue(&self) -> Duration {
        self.queue
    }

    /// The clocks changed.
    pub(crate) fn forget(&mut self) {
        *self = Queueing {
            turned: self.turned,
            ..Queueing::default()
        };
    }
}

fn least(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    one.into_iter().chain(other).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(queueing: &mut Queueing, delays: &[i64], now: u64) -> u128 {
        delays.iter().for_each(|delay| queueing.add(*delay));
        queueing.update(Micros::from_seconds(now));
        queueing.queue().as_millis()
    }

    #[test]
    fn the_queue_is_what_is_above_the_least_delay() {
        let mut queueing = Queueing::default();
        assert_eq!(after(&mut queueing, &[-70_000, -50_000], 1), 0);
        assert_eq!(after(&mut queueing, &[40_000, -20_000], 2), 50);
        assert_eq!(after(&mut queueing, &[], 3), 50);
        assert_eq!(after(&mut queueing, &[-80_000], 4), 0);
    }

    #[test]
    fn a_longer_route_is_no_queue_after_a_minute() {
        let mut queueing = Queueing::default();
        after(&mut queueing, &[0], 1);
        assert_eq!(after(&mut queueing, &[90_000], 40), 90);
        assert_eq!(after(&mut queueing, &[90_000], 80), 0);
    }

    #[test]
    fn delays_at_the_ends_of_the_range_do_no_harm() {
        let mut queueing = Queueing::default();
        after(&mut queueing, &[i64::MIN, i64::MAX], 1);
        after(&mut queueing, &[i64::MAX], 2);
    }
}
