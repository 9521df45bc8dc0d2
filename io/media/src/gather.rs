//! Letting packets gather while a worker is busy: a wake-up costs more than a packet, and two packets to one subscriber leave
//! for little more than the price of one.

use std::time::Duration;

/// The load is looked at so often.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A worker is busy from this share of its time on, in percent, and not busy any more below the other.
const BUSY_PERCENT: u128 = 8;
const IDLE_PERCENT: u128 = 3;

/// How busy a worker is, and what follows for its next wake-up.
#[derive(Debug)]
pub(crate) struct Gather {
    /// From the beginning of one turn to the beginning of the next, at least, while it is busy.
    length: Duration,
    busy: bool,
    looked: Duration,
    /// Of the time since then, what was work.
    worked: Duration,
    /// The share that was work, when that was looked at last.
    share: f32,
}

impl Gather {
    /// Not busy yet; zero never lets anything wait.
    pub(crate) const fn new(length: Duration) -> Self {
        Self {
            length,
            busy: false,
            looked: Duration::ZERO,
            worked: Duration::ZERO,
            share: 0.0,
        }
    }

    /// Which share of its time the worker was busy lately.
    pub(crate) const fn share(&self) -> f32 {
        self.share
    }

    /// A turn has ended: how long the worker should sleep before it looks for packets again.
    pub(crate) fn turned(&mut self, began: Duration, ended: Duration) -> Duration {
        self.worked += ended.saturating_sub(began);
        let since = ended.saturating_sub(self.looked);
        if since >= LOOK_EVERY {
            let percent = if self.busy { IDLE_PERCENT } else { BUSY_PERCENT };
            self.busy = self.worked.as_micros() * 100 >= since.as_micros() * percent;
            self.share = self.worked.as_secs_f32() / since.as_secs_f32();
            (self.looked, self.worked) = (ended, Duration::ZERO);
        }
        if self.busy {
            (began + self.length).saturating_sub(ended)
        } else {
            Duration::ZERO
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_millis(2);

    /// Turns of so many microseconds, one a millisecond, for a second: what the last said.
    fn after_a_second(gather: &mut Gather, from: Duration, work: u64) -> Duration {
        let turn = |millisecond| {
            let began = from + Duration::from_millis(millisecond);
            gather.turned(began, began + Duration::from_micros(work))
        };
        (0..1000).map(turn).last().unwrap()
    }

    #[test]
    fn packets_gather_only_while_the_worker_is_busy() {
        let mut gather = Gather::new(LENGTH);
        let second = Duration::from_secs(1);
        assert_eq!(after_a_second(&mut gather, second, 70), Duration::ZERO);
        assert_eq!(
            after_a_second(&mut gather, 2 * second, 100),
            Duration::from_micros(1900)
        );
        let still = after_a_second(&mut gather, 3 * second, 40);
        assert_eq!(
            still,
            Duration::from_micros(1960),
            "it costs less when packets gather"
        );
        assert_eq!(after_a_second(&mut gather, 4 * second, 20), Duration::ZERO);
    }

    #[test]
    fn a_turn_that_took_longer_is_followed_by_the_next_at_once() {
        let mut gather = Gather::new(LENGTH);
        after_a_second(&mut gather, Duration::ZERO, 900);
        let began = Duration::from_secs(2);
        assert_eq!(gather.turned(began, began + 2 * LENGTH), Duration::ZERO);
    }

    #[test]
    fn nothing_waits_where_it_is_turned_off() {
        let mut gather = Gather::new(Duration::ZERO);
        assert_eq!(after_a_second(&mut gather, Duration::ZERO, 900), Duration::ZERO);
    }
}
