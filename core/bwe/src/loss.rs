//! The rate that loss allows: how much of it the sender causes, and how much the path loses anyway.
//!
//! A path that carries `B` loses the share `1 - B / rate` of what is above it, and a share of its own of everything. Both
//! are fitted to the last few seconds: the rate of each observation tells them apart, as only the first depends on it.

use std::time::Duration;

use crate::Micros;

const OBSERVATIONS: usize = 20;
/// An observation is complete after this time, if it has so many packets; and in any case after the longer time.
const SPAN: Duration = Duration::from_millis(250);
const SPAN_MOST: Duration = Duration::from_secs(1);
const PACKETS: u32 = 20;
/// Each observation weighs so much less than the next one.
const FADE: f64 = 0.9;
/// What is believed of the path's own loss weighs as much as so many packets.
const BELIEF: f64 = 50.0;
/// By so much (in logarithms of likelihood) a lower bound must explain the losses better than none.
const BIAS: f64 = 0.15;
/// Growth of the bound for each observation without more loss than the path's own.
const GROWTH: f64 = 1.02;
/// After so many such observations it grows faster.
const CLEAN: u32 = 8;
const GROWTH_CLEAN: f64 = 1.05;
/// At most this share goes away for one observation.
const LEAST: f64 = 0.5;
/// The share of the losses at the time of the bound that the path must own before the bound is lifted at once.
const OWNED: f64 = 0.6;

#[derive(Clone, Copy, Debug, Default)]
struct Observation {
    /// Bits per second, as sent.
    rate: f64,
    packets: f64,
    lost: f64,
}

/// How well a bound explains what was seen.
#[derive(Clone, Copy, Debug)]
struct Fit {
    own: f64,
    /// Its logarithm.
    likelihood: f64,
}

/// What the observation under way has so far.
#[derive(Debug, Default)]
struct Counting {
    since: Option<Micros>,
    until: Micros,
    bytes: u64,
    packets: u32,
    lost: u32,
}

/// The fit and the bound that comes of it.
#[derive(Debug)]
pub(crate) struct LossBound {
    counting: Counting,
    /// What this feedback and the one before tell to be lost. It counts when the next feedback does not tell that it was
    /// only overtaken.
    missing: u32,
    missing_before: u32,
    /// The newest is at `next - 1`.
    ring: [Observation; OBSERVATIONS],
    next: usize,
    len: usize,
    /// The path's own loss, as believed.
    own: f64,
    /// Bits per second, while loss bounds the rate.
    bound: Option<f64>,
    /// The loss that made the bound.
    cause: f64,
    falling: bool,
    /// Observations since the bound fell.
    clean: u32,
}

impl LossBound {
    pub(crate) fn new() -> LossBound {
        LossBound {
            counting: Counting::default(),
            missing: 0,
            missing_before: 0,
            ring: [Observation::default(); OBSERVATIONS],
            next: 0,
            len: 0,
            own: 0.01,
            bound: None,
            cause: 0.0,
            falling: false,
            clean: 0,
        }
    }

    /// The bound, while there is one.
    pub(crate) fn bound(&self) -> Option<f64> {
        self.bound
    }

    /// Whether the last observation lowered the bound.
    pub(crate) fn falling(&self) -> bool {
        self.falling
    }

    /// The share that the path loses whatever is sent.
    pub(crate) fn own(&self) -> f64 {
        self.own
    }

    /// Notes the fate of a packet; those sent before `since` belong to an outage and do not count.
    pub(crate) fn settled(&mut self, sent: Micros, bytes: u16, arrived: bool) {
        let counting = &mut self.counting;
        counting.since.get_or_insert(sent);
        counting.until = counting.until.max(sent);
        counting.bytes += u64::from(bytes);
        counting.packets += 1;
        self.missing += u32::from(!arrived);
    }

    /// A packet that was counted as lost has arrived.
    pub(crate) fn arrived_late(&mut self) {
        self.missing_before = self.missing_before.saturating_sub(1);
    }

    /// Forgets what is being counted: an outage says nothing about rates.
    pub(crate) fn skip(&mut self) {
        self.counting = Counting::default();
        (self.missing, self.missing_before) = (0, 0);
    }

    /// Closes the observation if it is complete. `rate` is what is sent at most if loss sets no bound.
    pub(crate) fn update(&mut self, rate: f64) {
        let missing = std::mem::take(&mut self.missing);
        self.counting.lost += std::mem::replace(&mut self.missing_before, missing);
        let span = self
            .counting
            .since
            .map_or(Duration::ZERO, |since| self.counting.until.since(since));
        let complete = span >= SPAN && self.counting.packets >= PACKETS;
        if !complete && span < SPAN_MOST {
            return;
        }
        let counted = std::mem::take(&mut self.counting);
        let seen = Observation {
            rate: counted.bytes as f64 * 8.0 / span.as_secs_f64(),
            packets: f64::from(counted.packets),
            lost: f64::from(counted.lost.min(counted.packets)),
        };
        if self.contradicts(&seen) {
            self.len = 0;
        }
        self.keep(seen);
        self.decide(&seen, rate);
        if self.bound.is_some_and(|bound| bound >= rate) {
            self.bound = None;
        }
    }

    fn decide(&mut self, seen: &Observation, rate: f64) {
        let share = seen.lost / seen.packets.max(1.0);
        let delivered = seen.rate * (1.0 - share) / (1.0 - self.own);
        let current = self.bound.unwrap_or(rate);
        let free = self.fit(f64::INFINITY);
        let kept = self
            .bound
            .map(|bound| self.fit(bound))
            .filter(|kept| kept.likelihood > free.likelihood);
        let as_now = kept.unwrap_or(free);
        let lower = [delivered, current * 0.95, current * 0.85]
            .into_iter()
            .filter(|bound| *bound < current);
        let lower = lower.map(|bound| (bound, self.fit(bound)));
        let best = lower.max_by(|(_, one), (_, other)| one.likelihood.total_cmp(&other.likelihood));
        self.falling = false;
        match best {
            Some((bound, fit)) if fit.likelihood > as_now.likelihood + BIAS => {
                self.believe(fit.own);
                self.falling = true;
                self.clean = 0;
                if self.bound.is_none() || share > self.cause {
                    self.cause = share;
                }
                self.bound = Some(bound.max(current * LEAST));
            }
            Some(_) | None => {
                self.believe(as_now.own);
                self.clean = self.clean.saturating_add(1);
                let growth = if self.clean > CLEAN { GROWTH_CLEAN } else { GROWTH };
                let owned = kept.is_none() && self.own > OWNED * self.cause;
                self.bound = self.bound.filter(|_| !owned).map(|bound| bound * growth);
            }
        }
    }

    /// The path's own loss that explains the observations best if the path carries `bound`, and how well it does.
    fn fit(&self, bound: f64) -> Fit {
        let excess = |seen: &Observation| (1.0 - bound / seen.rate).clamp(0.0, 0.99);
        let (mut lost, mut packets) = (BELIEF * self.own, BELIEF);
        for (weight, seen) in self.weighted() {
            let excess = excess(seen);
            lost += weight * (seen.lost - seen.packets * excess);
            packets += weight * seen.packets * (1.0 - excess);
        }
        let own = (lost / packets).clamp(0.001, 0.5);
        let likelihood = self.weighted().map(|(weight, seen)| {
            let loss = (own + (1.0 - own) * excess(seen)).clamp(0.001, 0.99);
            weight * (seen.lost * loss.ln() + (seen.packets - seen.lost) * (1.0 - loss).ln())
        });
        Fit {
            own,
            likelihood: likelihood.sum(),
        }
    }

    /// Whether an observation has another loss than the rest at about its rate, beyond chance: the path has changed.
    fn contradicts(&self, seen: &Observation) -> bool {
        let alike = |other: &&Observation| (other.rate / seen.rate.max(1.0) - 1.0).abs() < 0.15;
        let (mut packets, mut lost) = (0.0, 0.0);
        for (_, other) in self.weighted().filter(|(_, other)| alike(other)) {
            packets += other.packets;
            lost += other.lost;
        }
        if packets < f64::from(PACKETS) {
            return false;
        }
        let usual = ((lost + 1.0) / (packets + 2.0)).clamp(0.005, 0.5);
        let share = seen.lost / seen.packets.max(1.0);
        let spread = (usual * (1.0 - usual) / seen.packets.max(1.0)).sqrt();
        (share - usual).abs() > 3.0 * spread
    }

    fn believe(&mut self, own: f64) {
        self.own += 0.3 * (own - self.own);
    }

    fn keep(&mut self, seen: Observation) {
        if let Some(place) = self.ring.get_mut(self.next) {
            *place = seen;
        }
        self.next = (self.next + 1) % OBSERVATIONS;
        self.len = (self.len + 1).min(OBSERVATIONS);
    }

    /// The observations with their weights, the newest first.
    fn weighted(&self) -> impl Iterator<Item = (f64, &Observation)> {
        let newest_first =
            (1..=self.len).filter_map(|back| self.ring.get((self.next + OBSERVATIONS - back) % OBSERVATIONS));
        let weights = std::iter::successors(Some(1.0), |weight| Some(weight * FADE));
        weights.zip(newest_first)
    }
}
