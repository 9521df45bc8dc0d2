//! One narrow link: a capacity that changes over time, a queue before it, loss, jitter and reordering.

use std::collections::VecDeque;
use std::time::Duration;

use crate::Seed;

/// Bits per second over time: straight lines between points, and the last one from there on.
#[derive(Clone, Debug)]
pub struct Capacity(Vec<(Duration, u64)>);

impl Capacity {
    /// The same for ever.
    #[must_use]
    pub fn constant(bits_per_second: u64) -> Capacity {
        Capacity(vec![(Duration::ZERO, bits_per_second)])
    }

    /// From then on another capacity, at once.
    #[must_use]
    pub fn step(mut self, at_seconds: u64, bits_per_second: u64) -> Capacity {
        let at = Duration::from_secs(at_seconds);
        self.0.push((at, self.at(at)));
        self.0.push((at, bits_per_second));
        self
    }

    /// From the last point to this one in a straight line.
    #[must_use]
    pub fn ramp(mut self, until_seconds: u64, bits_per_second: u64) -> Capacity {
        self.0.push((Duration::from_secs(until_seconds), bits_per_second));
        self
    }

    /// The capacity at a time.
    #[must_use]
    pub fn at(&self, now: Duration) -> u64 {
        let after = self.0.partition_point(|(at, _)| *at <= now);
        let before = after.checked_sub(1).and_then(|index| self.0.get(index));
        match (before, self.0.get(after)) {
            (Some((_, rate)), None) | (None, Some((_, rate))) => *rate,
            (Some((from, low)), Some((until, high))) => {
                let share = (now - *from).as_secs_f64() / (*until - *from).as_secs_f64();
                (*low as f64 + (*high as f64 - *low as f64) * share) as u64
            }
            (None, None) => 0,
        }
    }
}

/// What a link is like.
#[derive(Clone, Debug)]
pub struct LinkSettings {
    /// Bits per second.
    pub capacity: Capacity,
    /// The queue holds so much time of the capacity of the moment; what comes then is lost.
    pub queue: Duration,
    /// From the end of the queue to the receiver.
    pub delay: Duration,
    /// At most so much more by chance, in order.
    pub jitter: Duration,
    /// Arrivals happen at multiples of this time only, as on a radio that collects packets. Zero for no such thing.
    pub batch: Duration,
    /// Packets that vanish after the queue, in percent.
    pub loss_percent: u8,
    /// Packets that are late by up to 20 ms and overtaken, in percent.
    pub reorder_percent: u8,
    /// Nothing passes between these times, in seconds.
    pub blackout: Option<(u64, u64)>,
}

impl LinkSettings {
    /// A link that loses nothing at random, with 25 ms of delay and a queue of 300 ms.
    #[must_use]
    pub fn new(capacity: Capacity) -> LinkSettings {
        LinkSettings {
            capacity,
            queue: Duration::from_millis(300),
            delay: Duration::from_millis(25),
            jitter: Duration::ZERO,
            batch: Duration::ZERO,
            loss_percent: 0,
            reorder_percent: 0,
            blackout: None,
        }
    }
}

/// The link and what is in its queue.
#[derive(Clone, Debug)]
pub struct LinkModel {
    settings: LinkSettings,
    seed: Seed,
    /// When each queued packet will have left the queue.
    queue: VecDeque<Duration>,
    last_arrival: Duration,
}

impl LinkModel {
    /// An empty link.
    #[must_use]
    pub fn new(settings: LinkSettings, seed: Seed) -> LinkModel {
        LinkModel {
            settings,
            seed,
            queue: VecDeque::new(),
            last_arrival: Duration::ZERO,
        }
    }

    /// What it is like.
    #[must_use]
    pub fn settings(&self) -> &LinkSettings {
        &self.settings
    }

    /// How long a packet that is sent now would wait.
    #[must_use]
    pub fn queue_delay(&self, now: Duration) -> Duration {
        self.queue
            .back()
            .map_or(Duration::ZERO, |last| last.saturating_sub(now))
    }

    /// Sends a packet; `now` never goes backwards. Gives when it arrives, or `None` if it does not.
    pub fn send(&mut self, bytes: usize, now: Duration) -> Option<Duration> {
        while self.queue.front().is_some_and(|left| *left <= now) {
            self.queue.pop_front();
        }
        let waits = self.queue_delay(now);
        let dark = self.settings.blackout.is_some_and(|(from, until)| {
            (Duration::from_secs(from)..Duration::from_secs(until)).contains(&now)
        });
        if waits > self.settings.queue || dark {
            return None;
        }
        let rate = self.settings.capacity.at(now + waits).max(1);
        let left = now + waits + Duration::from_secs_f64(bytes as f64 * 8.0 / rate as f64);
        self.queue.push_back(left);
        if self.seed.happens(self.settings.loss_percent) {
            return None;
        }
        Some(self.arrival(left))
    }

    fn arrival(&mut self, left: Duration) -> Duration {
        let arrives = left + self.settings.delay;
        if self.seed.happens(self.settings.reorder_percent) {
            return arrives + self.up_to(Duration::from_millis(20));
        }
        let mut arrives = arrives + self.up_to(self.settings.jitter);
        if !self.settings.batch.is_zero() {
            let batch = self.settings.batch.as_micros();
            let rounded = arrives.as_micros().div_ceil(batch) * batch;
            arrives = Duration::from_micros(u64::try_from(rounded).unwrap_or(u64::MAX));
        }
        self.last_arrival = self.last_arrival.max(arrives);
        self.last_arrival
    }

    fn up_to(&mut self, most: Duration) -> Duration {
        let most = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.seed.below(most.saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEGABIT: u64 = 1_000_000;

    fn link(change: impl FnOnce(&mut LinkSettings)) -> LinkModel {
        let mut settings = LinkSettings::new(Capacity::constant(MEGABIT));
        change(&mut settings);
        LinkModel::new(settings, Seed::new(1))
    }

    #[test]
    fn capacity_has_steps_and_ramps() {
        let capacity = Capacity::constant(100).step(10, 50).ramp(20, 150).step(30, 10);
        let at = |seconds| capacity.at(Duration::from_secs(seconds));
        assert_eq!(
            [at(0), at(9), at(10), at(15), at(20), at(29), at(30)],
            [100, 100, 50, 100, 150, 150, 10]
        );
    }

    #[test]
    fn packets_wait_for_those_before_them_and_a_full_queue_loses_them() {
        let mut link = link(|settings| settings.queue = Duration::from_millis(35));
        let sent = (0..6).map(|_| link.send(1250, Duration::ZERO));
        let arrived: Vec<_> = sent.map(|arrival| arrival.map(|at| at.as_millis())).collect();
        assert_eq!(arrived, [Some(35), Some(45), Some(55), Some(65), None, None]);
        assert_eq!(link.queue_delay(Duration::from_millis(15)).as_millis(), 25);
    }

    #[test]
    fn jitter_keeps_the_order_and_reordering_does_not() {
        let arrivals = |mut link: LinkModel| -> Vec<Duration> {
            (0..500)
                .filter_map(|index| link.send(100, Duration::from_millis(index)))
                .collect()
        };
        let sorted = |arrivals: &[Duration]| arrivals.is_sorted();
        assert!(sorted(&arrivals(link(
            |settings| settings.jitter = Duration::from_millis(9)
        ))));
        assert!(!sorted(&arrivals(link(|settings| settings.reorder_percent = 2))));
    }

    #[test]
    fn a_radio_delivers_in_batches() {
        let mut link = link(|settings| settings.batch = Duration::from_millis(10));
        let arrival = link.send(100, Duration::from_millis(3)).unwrap();
        assert_eq!(arrival.as_micros() % 10_000, 0);
    }

    #[test]
    fn nothing_passes_in_a_blackout_and_as_much_is_lost_as_was_said() {
        let mut dark = link(|settings| settings.blackout = Some((1, 2)));
        assert!(dark.send(100, Duration::from_millis(999)).is_some());
        assert_eq!(dark.send(100, Duration::from_millis(1500)), None);
        assert!(dark.send(100, Duration::from_millis(2000)).is_some());
        let mut lossy = link(|settings| settings.loss_percent = 20);
        let arrived = (0..1000)
            .filter_map(|index| lossy.send(10, Duration::from_millis(index)))
            .count();
        assert!((750..850).contains(&arrived), "{arrived} of 1000");
    }
}
