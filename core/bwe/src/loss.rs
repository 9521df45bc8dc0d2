//! The rate that loss allows: what the path loses of everything is its own, what it loses beyond that is too much sent.
//!
//! Which of the two a loss is, an experiment tells: the rate falls to what was carried. If the loss goes, it was too much,
//! and the rate comes back slowly. If it stays, it is the path's own and bounds nothing: so a path that loses a tenth of
//! everything is not starved, and one that overflows is not flooded.

use std::time::Duration;

use crate::Micros;

/// An observation is complete after this time, if it has so many packets; and in any case after the longer time.
const SPAN: Duration = Duration::from_millis(500);
const SPAN_MOST: Duration = Duration::from_millis(1500);
const PACKETS: u32 = 50;
/// So soon and with so few packets if so much is lost beyond the path's own.
const SPAN_LEAST: Duration = Duration::from_millis(200);
const PACKETS_LEAST: u32 = 20;
const MUCH: f64 = 0.3;
/// Less than this is the path's own.
const OWN_MOST: f64 = 0.3;
/// Loss that is not chance: at least so much beyond the path's own, and so many standard deviations.
const EXCESS: f64 = 0.025;
const DEVIATIONS: f64 = 2.5;
/// And at least so many packets.
const LOST: u32 = 3;
/// How fast the path's own loss is learnt while nothing is suspected.
const LEARN: f64 = 0.1;
/// And how fast if there is less of it, beyond chance.
const LEARN_LESS: f64 = 0.5;
/// A fall is to this share at least and at most.
const FALL: (f64, f64) = (0.5, 0.9);
/// A sender that uses less than this share of the rate falls so far, until it does.
const USED: f64 = 0.8;
/// An experiment needs a rate below this share of the one before; if there is none in so many observations, the sender
/// cannot send less, and nothing is gained by asking for it.
const LOWER: f64 = 0.97;
const TRIALS: u32 = 4;
/// Loss stayed if so much of it did; not all, since it was chance in part that made it suspicious.
const STAYED: f64 = 0.33;
/// Growth for each observation without excess: fast, but slow near the rate that was too much, for so many of them.
const GROWTH: f64 = 1.08;
const GROWTH_NEAR: f64 = 1.02;
const CLEAN: u32 = 6;
const NEAR: std::ops::Range<f64> = 0.95..1.1;
/// After so many of them a probe may ask whether the path carries more again.
const CALM: u32 = 2;

/// What is counted until it is enough.
#[derive(Clone, Copy, Debug, Default)]
struct Observation {
    since: Option<Micros>,
    until: Micros,
    bytes: u64,
    packets: u32,
    lost: u32,
}

/// A fall whose effect is awaited.
#[derive(Clone, Copy, Debug)]
struct Experiment {
    /// What was sent and lost before, and what the path carries if that was too much.
    sent: f64,
    loss: f64,
    carried: f64,
    trials: u32,
    /// The loss at the lower rate, if it stayed in the first observation.
    stayed: Option<f64>,
}

/// The bound, while there is one.
#[derive(Clone, Copy, Debug)]
struct Bound {
    /// Bits per second.
    rate: f64,
    /// The rate that was too much.
    too_much: f64,
    /// Observations without excess since it fell.
    clean: u32,
}

/// The path's own loss, and the bound that comes of other loss.
#[derive(Debug, Default)]
pub(crate) struct LossBound {
    counting: Observation,
    /// What this feedback and the one before it told. It counts when the next feedback has not told that what was missing
    /// was only overtaken.
    told: Observation,
    told_before: Observation,
    own: f64,
    /// Observations without excess: the first ones make an average.
    watched: u32,
    bound: Option<Bound>,
    experiment: Option<Experiment>,
    /// What was sent before does not count.
    fell: Micros,
}

impl LossBound {
    /// Bits per second, while loss bounds the rate.
    pub(crate) fn bound(&self) -> Option<f64> {
        self.bound.map(|bound| bound.rate)
    }

    /// Whether the bound has just fallen.
    pub(crate) fn falling(&self) -> bool {
        self.experiment.is_some()
    }

    /// Whether a probe would only add to the loss: it is not known yet whether a lower rate has ended it.
    pub(crate) fn is_unsure(&self) -> bool {
        self.experiment.is_some() || self.bound.is_some_and(|bound| bound.clean < CALM)
    }

    /// A probe has shown that the path carries `rate`.
    pub(crate) fn raise(&mut self, rate: f64) {
        self.bound = self.bound.map(|bound| bound.raised(rate));
    }

    /// The share that the path loses whatever is sent.
    pub(crate) fn own(&self) -> f64 {
        self.own
    }

    /// Notes the fate of a packet.
    pub(crate) fn settled(&mut self, sent: Micros, bytes: u16, arrived: bool) {
        if sent < self.fell {
            return;
        }
        self.told.add(&Observation {
            since: Some(sent),
            until: sent,
            bytes: u64::from(bytes),
            packets: 1,
            lost: u32::from(!arrived),
        });
    }

    /// A packet that was told to be lost has arrived.
    pub(crate) fn arrived_late(&mut self) {
        self.told_before.lost = self.told_before.lost.saturating_sub(1);
    }

    /// Forgets what was sent until now: an outage says nothing about rates, and a fall makes it old.
    pub(crate) fn skip(&mut self, now: Micros) {
        self.fell = now;
        (self.counting, self.told, self.told_before) = Default::default();
    }

    /// A feedback has been read. `rate` is what may be sent if loss sets no bound.
    pub(crate) fn update(&mut self, rate: f64, now: Micros) {
        let told = std::mem::take(&mut self.told);
        self.counting.add(&std::mem::replace(&mut self.told_before, told));
        if self.counting.is_enough(self.own) {
            let seen = std::mem::take(&mut self.counting);
            match self.experiment.take() {
                Some(experiment) => self.judge(experiment, seen),
                None => self.watch(seen, rate, now),
            }
        }
        self.bound = self.bound.filter(|bound| bound.rate < rate);
    }

    /// Looks for loss that is neither the path's own nor chance.
    fn watch(&mut self, seen: Observation, rate: f64, now: Micros) {
        let (loss, sent, current) = (seen.loss(), seen.rate(), self.bound().unwrap_or(rate));
        let likely = self.own.max(0.01);
        let chance = DEVIATIONS * (likely * (1.0 - likely) / f64::from(seen.packets)).sqrt();
        if seen.lost < LOST || loss <= self.own + chance.max(EXCESS) {
            self.learn(loss, chance);
            self.bound = self.bound.map(Bound::grown);
            return;
        }
        let used = sent > current * USED;
        // As low as if none of it were the path's own: this tests that belief too.
        let delivered = sent * (1.0 - loss);
        let lower = delivered.clamp(current * FALL.0, current * FALL.1);
        let rate = if used { lower } else { current * USED };
        self.bound = Some(Bound {
            rate,
            too_much: current,
            clean: 0,
        });
        self.experiment = used.then_some(Experiment {
            sent,
            loss,
            carried: delivered / (1.0 - self.own),
            trials: 0,
            stayed: None,
        });
        self.skip(now);
    }

    /// Without excess, loss is the path's own. But near a rate that was too much, more of it may well be too much again.
    fn learn(&mut self, loss: f64, chance: f64) {
        let suspicious = self
            .bound
            .is_some_and(|bound| bound.rate < bound.too_much * NEAR.end);
        if loss > self.own && suspicious {
            return;
        }
        self.watched = self.watched.saturating_add(1);
        let learn = if loss + chance < self.own {
            LEARN_LESS
        } else {
            LEARN
        };
        self.own += learn.max(1.0 / f64::from(self.watched)) * (loss - self.own);
    }

    /// Looks at what became of the loss at a lower rate. One large frame may overflow a short queue at any rate, so it
    /// must stay in two observations.
    fn judge(&mut self, mut experiment: Experiment, seen: Observation) {
        let (loss, sent) = (seen.loss(), seen.rate());
        if sent > experiment.sent * LOWER && experiment.trials < TRIALS {
            experiment.trials += 1;
            self.experiment = Some(experiment);
            return;
        }
        let if_too_much = (1.0 - experiment.carried / sent).max(self.own);
        if loss <= if_too_much + STAYED * (experiment.loss - if_too_much) {
            self.own += LEARN_LESS * (loss - self.own).min(0.0);
            self.bound = self
                .bound
                .map(|bound| bound.raised(experiment.carried.min(bound.too_much * FALL.1)));
            return;
        }
        let Some(first) = experiment.stayed.replace(loss) else {
            self.experiment = Some(experiment);
            return;
        };
        let loss = loss.min(first);
        self.own = loss.min(OWN_MOST);
        self.bound = self.bound.filter(|_| loss > OWN_MOST);
    }
}

impl Observation {
    fn add(&mut self, other: &Observation) {
        let since = self.since.into_iter().chain(other.since).min();
        *self = Observation {
            since,
            until: self.until.max(other.until),
            bytes: self.bytes + other.bytes,
            packets: self.packets + other.packets,
            lost: self.lost + other.lost,
        };
    }

    fn is_enough(&self, own: f64) -> bool {
        let span = self.span();
        let much = self.packets >= PACKETS_LEAST && self.loss() > own + MUCH;
        span >= SPAN_MOST || (span >= SPAN && self.packets >= PACKETS) || (span >= SPAN_LEAST && much)
    }

    fn span(&self) -> Duration {
        self.since.map_or(Duration::ZERO, |since| self.until.since(since))
    }

    fn loss(&self) -> f64 {
        f64::from(self.lost) / f64::from(self.packets.max(1))
    }

    /// Bits per second that were sent.
    fn rate(&self) -> f64 {
        self.bytes as f64 * 8.0 / self.span().as_secs_f64().max(0.001)
    }
}

impl Bound {
    fn raised(self, rate: f64) -> Bound {
        Bound {
            rate: self.rate.max(rate),
            ..self
        }
    }

    fn grown(self) -> Bound {
        let near = NEAR.contains(&(self.rate / self.too_much));
        let slow = near && self.clean < CLEAN;
        Bound {
            rate: self.rate * if slow { GROWTH_NEAR } else { GROWTH },
            clean: self.clean + 1,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sender that sends what it may, packets of 1000 bytes, for so many seconds; `lost` tells the share that the path
    /// loses at a rate. Gives the rate at the end.
    fn sent(bound: &mut LossBound, from: u64, seconds: u64, most: f64, lost: impl Fn(f64) -> f64) -> f64 {
        let mut owed = 0.0;
        let mut now = Micros::from_seconds(from);
        while now < Micros::from_seconds(from + seconds) {
            let rate = bound.bound().unwrap_or(most);
            for _ in 0..(rate * 0.05 / 8000.0).ceil() as u64 {
                owed += lost(rate);
                let arrives = owed < 1.0;
                owed -= f64::from(u8::from(!arrives));
                now = now + Duration::from_secs_f64(8000.0 / rate);
                bound.settled(now, 1000, arrives);
            }
            bound.update(most, now);
        }
        bound.bound().unwrap_or(most)
    }

    fn overflow(capacity: f64) -> impl Fn(f64) -> f64 {
        move |rate| (1.0 - capacity / rate).max(0.0)
    }

    #[test]
    fn loss_that_goes_at_a_lower_rate_bounds_the_rate() {
        let mut bound = LossBound::default();
        let rate = sent(&mut bound, 1, 20, 2e6, overflow(1e6));
        assert!((0.85e6..1.15e6).contains(&rate), "{rate}");
        assert!(bound.own() < 0.03, "{}", bound.own());
    }

    #[test]
    fn loss_that_stays_at_a_lower_rate_is_the_paths_own_and_bounds_nothing() {
        let mut bound = LossBound::default();
        assert_eq!(sent(&mut bound, 1, 5, 2e6, |_| 0.12), 2e6);
        assert!((0.1..0.14).contains(&bound.own()), "{}", bound.own());
    }

    #[test]
    fn too_much_is_noticed_above_the_paths_own_loss() {
        let mut bound = LossBound::default();
        sent(&mut bound, 1, 5, 1e6, |_| 0.1);
        let rate = sent(&mut bound, 6, 20, 2e6, |rate| 0.1 + 0.9 * overflow(1.2e6)(rate));
        assert!((1e6..1.4e6).contains(&rate), "{rate}");
    }

    #[test]
    fn loss_of_its_own_that_turns_into_overflow_is_told_apart() {
        let mut bound = LossBound::default();
        sent(&mut bound, 1, 5, 1e6, |_| 0.19);
        let rate = sent(&mut bound, 6, 30, 2e6, overflow(1e6));
        assert!((0.8e6..1.2e6).contains(&rate), "{rate}");
    }

    #[test]
    fn a_path_that_has_improved_is_used_again() {
        let mut bound = LossBound::default();
        sent(&mut bound, 1, 10, 2e6, overflow(1e6));
        assert_eq!(sent(&mut bound, 11, 10, 2e6, |_| 0.0), 2e6);
    }

    #[test]
    fn more_than_the_most_is_never_the_paths_own() {
        let mut bound = LossBound::default();
        let rate = sent(&mut bound, 1, 10, 2e6, |_| 0.6);
        assert!(rate < 0.5e6 && bound.own() <= OWN_MOST, "{rate}");
    }

    #[test]
    fn what_was_only_overtaken_is_not_lost() {
        let mut bound = LossBound::default();
        for packet in 0..1000 {
            let now = Micros::from_millis(packet * 10);
            bound.settled(now, 1000, packet % 5 != 0);
            bound.update(1e6, now);
            if packet % 5 == 0 {
                bound.arrived_late();
            }
        }
        assert_eq!((bound.bound(), bound.own()), (None, 0.0));
    }

    #[test]
    fn an_outage_is_no_loss_of_a_rate() {
        let mut bound = LossBound::default();
        for packet in 0..40 {
            bound.settled(Micros::from_millis(packet * 10), 1000, false);
        }
        bound.skip(Micros::from_seconds(1));
        bound.settled(Micros::from_millis(900), 1000, false);
        bound.update(1e6, Micros::from_seconds(1));
        assert_eq!(bound.bound(), None);
    }
}
