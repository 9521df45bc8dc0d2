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
    /// What this feedback and the one before tell to be lost. It counts when the next feedback does not tell that it was
    /// only overtaken.
    missing: u32,
    missing_before: u32,
    own: f64,
    /// Observations without excess: the first ones make an average.
    watched: u32,
    bound: Option<Bound>,
    experiment: Option<Experiment>,
    /// What was sent before shows nothing of the last fall.
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

    /// The share that the path loses whatever is sent.
    pub(crate) fn own(&self) -> f64 {
        self.own
    }

    /// Notes the fate of a packet.
    pub(crate) fn settled(&mut self, sent: Micros, bytes: u16, arrived: bool) {
        if sent < self.fell {
            return;
        }
        self.missing += u32::from(!arrived);
        let counting = &mut self.counting;
        counting.since.get_or_insert(sent);
        counting.until = counting.until.max(sent);
        counting.bytes += u64::from(bytes);
        counting.packets += 1;
    }

    /// A packet that was told to be lost has arrived.
    pub(crate) fn arrived_late(&mut self) {
        self.missing_before = self.missing_before.saturating_sub(1);
    }

    /// Forgets what is being counted: an outage says nothing about rates.
    pub(crate) fn skip(&mut self) {
        self.counting = Observation::default();
        (self.missing, self.missing_before) = (0, 0);
    }

    /// A feedback has been read. `rate` is what may be sent if loss sets no bound.
    pub(crate) fn update(&mut self, rate: f64, now: Micros) {
        let missing = std::mem::take(&mut self.missing);
        let lost = std::mem::replace(&mut self.missing_before, missing);
        self.counting.lost = (self.counting.lost + lost).min(self.counting.packets);
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
        if loss <= self.own + chance.max(EXCESS) {
            self.watched = self.watched.saturating_add(1);
            let learn = if loss + chance < self.own {
                LEARN_LESS
            } else {
                LEARN
            };
            self.own += learn.max(1.0 / f64::from(self.watched)) * (loss - self.own);
            self.bound = self.bound.map(Bound::grown);
            return;
        }
        let carried = sent * (1.0 - loss) / (1.0 - self.own);
        let used = sent > current * USED;
        let rate = if used {
            carried.clamp(current * FALL.0, current * FALL.1)
        } else {
            current * USED
        };
        self.bound = Some(Bound {
            rate,
            too_much: current,
            clean: 0,
        });
        self.experiment = used.then_some(Experiment {
            sent,
            loss,
            carried,
            trials: 0,
            stayed: None,
        });
        self.fell = now;
        self.skip();
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
