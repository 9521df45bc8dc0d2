//! Letting packets gather while a worker is busy: a wake-up costs more than a packet, and four packets to one subscriber leave
//! for little more than the price of one.

use std::time::Duration;

use trefoil_net::Sums;

/// The load is looked at so often.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A worker is busy from this share of its time on, in percent, and not busy any more below the other.
const BUSY_PERCENT: u128 = 8;
const IDLE_PERCENT: u128 = 3;
/// Packets wait for the longest time only where so many to one subscriber come in it, and for half of it otherwise; where they
/// wait so long already, they go on as long as so many come.
const WORTH_IT: f32 = 3.5;
const STILL_WORTH_IT: f32 = 2.5;

/// How busy a worker is, and what follows for its next wake-up.
#[derive(Debug)]
pub(crate) struct Gather {
    /// From the beginning of one turn to the beginning of the next while it is busy, at most.
    longest: Duration,
    /// The same, at least.
    length: Duration,
    busy: bool,
    looked: Duration,
    /// Of the time since then, what was work.
    worked: Duration,
    /// The share that was work, when that was looked at last.
    share: f32,
    /// What had been sent until then.
    sums: Sums,
}

impl Gather {
    /// Not busy yet; zero never lets anything wait.
    pub(crate) fn new(longest: Duration) -> Self {
        Self {
            longest,
            length: longest / 2,
            busy: false,
            looked: Duration::ZERO,
            worked: Duration::ZERO,
            share: 0.0,
            sums: Sums::default(),
        }
    }

    /// Which share of its time the worker was busy lately.
    pub(crate) const fn share(&self) -> f32 {
        self.share
    }

    /// A turn has ended, and so much was sent until now: how long the worker should sleep before it looks for packets again.
    pub(crate) fn turned(&mut self, began: Duration, ended: Duration, sums: Sums) -> Duration {
        self.worked += ended.saturating_sub(began);
        let since = ended.saturating_sub(self.looked);
        if since >= LOOK_EVERY {
            let percent = if self.busy { IDLE_PERCENT } else { BUSY_PERCENT };
            self.busy = self.worked.as_micros() * 100 >= since.as_micros() * percent;
            self.share = self.worked.as_secs_f32() / since.as_secs_f32();
            self.length = self.worth_waiting(sums);
            (self.looked, self.worked, self.sums) = (ended, Duration::ZERO, sums);
        }
        if self.busy {
            (began + self.length).saturating_sub(ended)
        } else {
            Duration::ZERO
        }
    }

    /// How long packets should gather, as what left since the last look shows how many go to one subscriber.
    fn worth_waiting(&self, sums: Sums) -> Duration {
        let messages = sums.messages.saturating_sub(self.sums.messages).max(1);
        let run = sums.sent.saturating_sub(self.sums.sent) as f32 / messages as f32;
        let worth_it = if self.length == self.longest {
            run > STILL_WORTH_IT
        } else {
            run * 2.0 > WORTH_IT
        };
        if worth_it { self.longest } else { self.longest / 2 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_millis(4);

    /// Turns of so many microseconds, one a millisecond, for a second, in each of which a message of so many datagrams was sent:
    /// what the last said.
    fn after_a_second_of(gather: &mut Gather, from: Duration, work: u64, datagrams: u64) -> Duration {
        let before = gather.sums;
        let turn = |millisecond: u64| {
            let began = from + Duration::from_millis(millisecond);
            let sums = Sums {
                sent: before.sent + (millisecond + 1) * datagrams,
                messages: before.messages + millisecond + 1,
                ..before
            };
            gather.turned(began, began + Duration::from_micros(work), sums)
        };
        (0..1000).map(turn).last().unwrap()
    }

    fn after_a_second(gather: &mut Gather, from: Duration, work: u64) -> Duration {
        after_a_second_of(gather, from, work, 1)
    }

    #[test]
    fn packets_gather_only_while_the_worker_is_busy() {
        let mut gather = Gather::new(LONGEST);
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
        let mut gather = Gather::new(LONGEST);
        after_a_second(&mut gather, Duration::ZERO, 900);
        let began = Duration::from_secs(2);
        let sums = gather.sums;
        assert_eq!(gather.turned(began, began + LONGEST, sums), Duration::ZERO);
    }

    #[test]
    fn packets_gather_longer_where_several_to_one_subscriber_come_meanwhile() {
        let mut gather = Gather::new(LONGEST);
        let second = Duration::from_secs(1);
        for (at, datagrams, waits) in [(1, 1, 1900), (2, 3, 3900), (3, 1, 1900)] {
            let wait = after_a_second_of(&mut gather, at * second, 100, datagrams);
            assert_eq!(wait, Duration::from_micros(waits), "{datagrams} in a message");
        }
    }

    #[test]
    fn nothing_waits_where_it_is_turned_off() {
        let mut gather = Gather::new(Duration::ZERO);
        assert_eq!(after_a_second(&mut gather, Duration::ZERO, 900), Duration::ZERO);
    }
}
