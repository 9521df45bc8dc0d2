//! The rate that delay allows: additive or multiplicative increase, multiplicative decrease (GCC section 5).

use std::time::Duration;

use crate::Micros;
use crate::trend::Usage;

/// A second of growth while the capacity is unknown.
const GROWTH: f64 = 1.08;
/// A second of growth near a known capacity, at least.
const GROWTH_NEAR: f64 = 1.03;
/// After overuse the rate is this share of what arrived, or less if there is a queue to drain.
const BACK_OFF: f64 = 0.9;
const BACK_OFF_MOST: f64 = 0.5;
/// Between decreases a round trip passes, within these bounds.
const PAUSE_LEAST: Duration = Duration::from_millis(50);
const PAUSE_MOST: Duration = Duration::from_millis(200);
/// No growth beyond this multiple of what arrives.
const AHEAD: f64 = 1.25;
/// And a little more, so that a trickle can grow.
const AHEAD_BITS: f64 = 10_000.0;
/// For this time and a round trip after a probe, what arrives does not yet tell the capacity.
const AFTER_RAISE: Duration = Duration::from_millis(300);
/// Delay may grow for a moment while no queue stands; that is a large frame on its way.
const NO_QUEUE: Duration = Duration::from_millis(15);
/// A queue of this length has drained.
const DRAINED: Duration = Duration::from_millis(25);
/// How long the lower rate for draining lasts at most.
const DRAIN_MOST: Duration = Duration::from_secs(2);

/// What one feedback has shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) usage: Usage,
    /// Bits per second that arrive.
    pub(crate) throughput: Option<f64>,
    pub(crate) queue: Duration,
    pub(crate) round_trip: Duration,
    /// There is no use in a higher rate.
    pub(crate) useful: f64,
}

/// What happened to the rate last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Increase,
    Hold,
    Decrease,
}

/// The rate and what is known of the capacity.
#[derive(Debug)]
pub(crate) struct Aimd {
    rate: f64,
    phase: Phase,
    capacity: Capacity,
    updated: Micros,
    decreased: Option<Micros>,
    /// A probe raised the rate last at this time.
    raised: Option<Micros>,
    /// The rate to come back to when the queue has drained.
    after_drain: Option<f64>,
}

impl Aimd {
    pub(crate) fn new(start: f64) -> Aimd {
        Aimd {
            rate: start,
            phase: Phase::Increase,
            capacity: Capacity::default(),
            updated: Micros::ZERO,
            decreased: None,
            raised: None,
            after_drain: None,
        }
    }

    pub(crate) fn rate(&self) -> f64 {
        self.rate
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// When the rate was lowered last.
    pub(crate) fn decreased(&self) -> Option<Micros> {
        self.decreased
    }

    /// A probe has shown that the path carries `rate`.
    pub(crate) fn raise(&mut self, rate: f64, now: Micros) {
        self.set(rate);
        self.raised = Some(now);
    }

    /// Something else than growing has told the rate.
    pub(crate) fn set(&mut self, rate: f64) {
        self.rate = rate;
        self.after_drain = None;
        if self.capacity.is_below(rate) {
            self.capacity = Capacity::default();
        }
    }

    /// Keeps the rate within what the settings allow.
    pub(crate) fn set_between(&mut self, least: f64, most: f64) {
        self.rate = self.rate.clamp(least, most);
    }

    pub(crate) fn update(&mut self, seen: Seen, now: Micros) {
        let elapsed = now.since(self.updated).min(Duration::from_secs(1));
        self.updated = now;
        match seen.usage {
            Usage::Over if seen.queue < NO_QUEUE => self.phase = Phase::Hold,
            Usage::Over => self.decrease(seen, now),
            Usage::Under => self.phase = Phase::Hold,
            Usage::Normal => self.grow(seen, elapsed, now),
        }
    }

    fn decrease(&mut self, seen: Seen, now: Micros) {
        let mut arrives = seen.throughput.unwrap_or(self.rate * 0.5 / BACK_OFF);
        if self
            .raised
            .is_some_and(|at| now.since(at) < seen.round_trip + AFTER_RAISE)
        {
            // What arrived by now was sent before the probe's result was known.
            arrives = arrives.max(self.rate);
        }
        let ours = arrives < self.rate * BACK_OFF;
        let pause = seen.round_trip.clamp(PAUSE_LEAST, PAUSE_MOST);
        if self.decreased.is_some_and(|at| now.since(at) < pause) {
            self.phase = Phase::Hold;
            return;
        }
        self.capacity.observe(arrives);
        let drain = if ours { seen.queue.as_secs_f64() } else { 0.0 };
        let factor = (1.0 - drain).clamp(BACK_OFF_MOST, BACK_OFF);
        let undrained = (arrives * BACK_OFF).min(self.after_drain.unwrap_or(self.rate));
        self.after_drain = (factor < BACK_OFF).then_some(undrained);
        self.rate = self.rate.min(arrives * factor);
        self.phase = Phase::Decrease;
        self.decreased = Some(now);
    }

    fn grow(&mut self, seen: Seen, elapsed: Duration, now: Micros) {
        if let Some(rate) = self.after_drain {
            let long = self.decreased.is_none_or(|at| now.since(at) > DRAIN_MOST);
            if seen.queue > DRAINED && !long {
                self.phase = Phase::Hold;
                return;
            }
            self.rate = self.rate.max(rate);
            self.after_drain = None;
        }
        self.phase = Phase::Increase;
        let arrives = seen.throughput.unwrap_or(self.rate);
        if self.capacity.is_below(arrives) {
            self.capacity = Capacity::default();
        }
        let seconds = elapsed.as_secs_f64();
        let more = if self.capacity.is_known() {
            self.near_capacity(seen.round_trip)
                .max(self.rate * (GROWTH_NEAR - 1.0))
                * seconds
        } else {
            (self.rate * (GROWTH.powf(seconds) - 1.0)).max(1000.0 * seconds)
        };
        let most = (arrives * AHEAD + AHEAD_BITS).min(seen.useful);
        self.rate = self.rate.max((self.rate + more).min(most));
    }

    /// Bits per second in a second: about one packet for each time that the path needs to answer.
    fn near_capacity(&self, round_trip: Duration) -> f64 {
        let frame_bits = self.rate / 30.0;
        let packets = (frame_bits / (8.0 * 1200.0)).ceil().max(1.0);
        let response = round_trip.as_secs_f64() + 0.1;
        (frame_bits / packets / response).max(4000.0)
    }
}

/// What arrived when the path was too full: mean and variance, smoothed.
#[derive(Debug, Default)]
struct Capacity {
    mean: Option<f64>,
    /// The variance over the mean, in kilobits.
    deviation: f64,
}

impl Capacity {
    fn observe(&mut self, arrives: f64) {
        let kilobits = arrives / 1000.0;
        let before = self
            .mean
            .filter(|mean| (mean - kilobits).abs() <= 3.0 * self.spread(*mean));
        let mean = before.map_or(kilobits, |before| before + 0.05 * (kilobits - before));
        let error = mean - kilobits;
        self.deviation = (0.95 * self.deviation + 0.05 * error * error / mean.max(1.0)).clamp(0.4, 2.5);
        self.mean = Some(mean);
    }

    fn is_known(&self) -> bool {
        self.mean.is_some()
    }

    /// Whether `arrives` is more than what is known can be.
    fn is_below(&self, arrives: f64) -> bool {
        self.mean
            .is_some_and(|mean| arrives / 1000.0 > mean + 3.0 * self.spread(mean))
    }

    fn spread(&self, mean: f64) -> f64 {
        (self.deviation.max(0.4) * mean).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(50);

    fn seen(usage: Usage, arrives: f64, queue_millis: u64) -> Seen {
        Seen {
            usage,
            throughput: Some(arrives),
            queue: Duration::from_millis(queue_millis),
            round_trip: ROUND_TRIP,
            useful: 20e6,
        }
    }

    /// Feedback each 50 ms about a path on which everything arrives.
    fn grown(aimd: &mut Aimd, from: u64, millis: u64) -> f64 {
        for step in 1..=millis / 50 {
            let now = Micros::from_millis(from + step * 50);
            aimd.update(seen(Usage::Normal, aimd.rate(), 0), now);
        }
        aimd.rate()
    }

    #[test]
    fn an_unknown_path_is_tried_eight_percent_more_each_second_and_a_known_one_carefully() {
        let mut aimd = Aimd::new(1e6);
        grown(&mut aimd, 0, 50);
        let grown_fast = grown(&mut aimd, 50, 1000) / aimd.rate().min(1.001e6);
        assert!((1.07..1.09).contains(&grown_fast), "{grown_fast}");
        aimd.update(seen(Usage::Over, 1e6, 60), Micros::from_millis(1100));
        let before = aimd.rate();
        let near = grown(&mut aimd, 1100, 1000) / before;
        assert!((1.02..1.07).contains(&near), "{near}");
    }

    #[test]
    fn overuse_lowers_the_rate_below_what_arrives_once_in_a_round_trip() {
        let mut aimd = Aimd::new(2e6);
        aimd.update(seen(Usage::Over, 1.9e6, 40), Micros::from_millis(1000));
        assert!((aimd.rate() - 1.71e6).abs() < 1.0, "{}", aimd.rate());
        aimd.update(seen(Usage::Over, 1.6e6, 60), Micros::from_millis(1040));
        assert!((aimd.rate() - 1.71e6).abs() < 1.0, "{}", aimd.rate());
        assert_eq!(aimd.phase(), Phase::Hold);
    }

    #[test]
    fn a_long_queue_is_drained_and_then_the_rate_comes_back() {
        let mut aimd = Aimd::new(2e6);
        aimd.update(seen(Usage::Over, 1e6, 400), Micros::from_millis(1000));
        assert!((aimd.rate() - 0.6e6).abs() < 1.0, "{}", aimd.rate());
        aimd.update(seen(Usage::Under, 1e6, 200), Micros::from_millis(1400));
        aimd.update(seen(Usage::Normal, 1e6, 100), Micros::from_millis(1500));
        assert!((aimd.rate() - 0.6e6).abs() < 1.0, "{}", aimd.rate());
        aimd.update(seen(Usage::Normal, 0.6e6, 10), Micros::from_millis(1600));
        assert!(aimd.rate() > 0.89e6, "{}", aimd.rate());
    }

    #[test]
    fn delay_that_grows_while_no_queue_stands_only_stops_growth() {
        let mut aimd = Aimd::new(2e6);
        aimd.update(seen(Usage::Over, 1e6, 5), Micros::from_millis(1000));
        assert_eq!((aimd.rate() as u64, aimd.phase()), (2_000_000, Phase::Hold));
    }

    #[test]
    fn nothing_grows_far_beyond_what_arrives_or_beyond_what_is_of_use() {
        let mut aimd = Aimd::new(1e6);
        for step in 1..1000 {
            aimd.update(seen(Usage::Normal, 1e6, 0), Micros::from_millis(step * 50));
        }
        assert!((1.2e6..1.27e6).contains(&aimd.rate()), "{}", aimd.rate());
        let mut aimd = Aimd::new(1e6);
        let useful = 1.1e6;
        let seen = Seen {
            useful,
            ..seen(Usage::Normal, 1e6, 0)
        };
        (1..1000).for_each(|step| aimd.update(seen, Micros::from_millis(step * 50)));
        assert!((aimd.rate() - useful).abs() < 1.0, "{}", aimd.rate());
    }

    #[test]
    fn overuse_just_after_a_probe_is_judged_by_the_probe() {
        let mut aimd = Aimd::new(0.5e6);
        aimd.raise(2e6, Micros::from_millis(1000));
        aimd.update(seen(Usage::Over, 0.6e6, 30), Micros::from_millis(1100));
        assert!((aimd.rate() - 1.8e6).abs() < 1.0, "{}", aimd.rate());
    }
}
