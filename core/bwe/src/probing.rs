//! When to probe, how fast, and what comes of it.

use std::time::Duration;

use crate::cluster::Cluster;
use crate::{Micros, Probe};

/// How a probe is made: so many times the estimate, for so long.
#[derive(Clone, Copy, Debug)]
struct Step {
    factor: f64,
    span: Duration,
}

/// The very first one.
const FIRST: Step = Step {
    factor: 3.0,
    span: Duration::from_millis(30),
};
/// While the path was not seen to be full lately.
const BOLD: Step = Step {
    factor: 2.0,
    span: Duration::from_millis(30),
};
/// Else: long enough to meet the frames of others on the path, and less of a burden.
const CAREFUL: Step = Step {
    factor: 1.5,
    span: Duration::from_millis(60),
};
/// What was seen of the path is of use for so long.
const LATELY: Duration = Duration::from_secs(20);
/// No probe asks for more than this multiple of what the sender would send.
const ABOVE_DEMAND: f64 = 1.5;
const NEAR: f64 = 1.2;
const FAR: f64 = 1.5;
/// Between probes while the sender wants more than the estimate.
const INTERVAL: Duration = Duration::from_secs(5);
/// So many clusters in a row that told nothing are repeated early.
const SOON_AGAIN: u32 = 4;
/// After the demand rose, a probe need not wait longer than this after the last one.
const PAUSE: Duration = Duration::from_millis(500);
/// The demand has risen if it is so many times what it was at the last probe.
const ROSE: f64 = 1.2;
/// No probe so soon after overuse: the capacity is known.
const AFTER_OVERUSE: Duration = Duration::from_secs(2);
/// A sender that has not filled a cluster within this time has nothing to fill it with.
const FILL: Duration = Duration::from_millis(500);
/// It is asked for more no more often than this.
const TICK: Duration = Duration::from_millis(1);
/// Feedback about a cluster is awaited for a round trip and this time.
const AWAIT: Duration = Duration::from_millis(500);

#[derive(Debug)]
enum Stage {
    Idle,
    Sending(Cluster),
    Waiting(Cluster, Micros),
}

/// What the rest of the estimator knows when a probe may begin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Situation {
    pub(crate) estimate: f64,
    /// The rate was lowered then.
    pub(crate) decreased: Option<Micros>,
    /// Loss or silence bounds the estimate: a probe would only add to it.
    pub(crate) troubled: bool,
}

/// At most one cluster is under way.
#[derive(Debug)]
pub(crate) struct Probing {
    stage: Stage,
    most: f64,
    demand: Option<f64>,
    /// What it was at the last probe, to see when it has risen.
    demand_probed: f64,
    /// A rate that worked before, to be tried again.
    again: Option<f64>,
    clusters: u32,
    next: Micros,
    handled: Micros,
    ended: Micros,
    /// Clusters that told nothing, since the last one that did.
    failures: u32,
}

impl Probing {
    pub(crate) fn new(most: f64) -> Probing {
        Probing {
            stage: Stage::Idle,
            most,
            demand: None,
            demand_probed: 0.0,
            again: None,
            clusters: 0,
            next: Micros::ZERO,
            handled: Micros::ZERO,
            ended: Micros::ZERO,
            failures: 0,
        }
    }

    pub(crate) fn demand(&mut self, bitrate: f64) {
        if bitrate > self.demand_probed * ROSE && self.clusters > 0 {
            self.next = self.next.min(self.ended + PAUSE);
            self.demand_probed = bitrate;
        }
        self.demand = Some(bitrate);
    }

    /// The highest rate that is of use to the sender.
    pub(crate) fn useful(&self) -> f64 {
        self.of_demand(ABOVE_DEMAND)
    }

    /// Clusters in a row that told nothing.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// After an outage: half of what worked before it is tried at once.
    pub(crate) fn again(&mut self, rate: f64, now: Micros) {
        self.again = Some(rate / 2.0);
        self.next = self.next.min(now);
    }

    pub(crate) fn is_under_way(&self) -> bool {
        !matches!(self.stage, Stage::Idle)
    }

    /// When something is to be done, for a sender whose estimate is `estimate`.
    pub(crate) fn poll_timeout(&self, estimate: f64) -> Option<Micros> {
        match &self.stage {
            Stage::Idle => self.most(estimate).map(|_| self.next),
            Stage::Sending(cluster) => {
                let due = cluster.next_due().max(self.handled + TICK);
                Some(due.min(cluster.started + FILL))
            }
            Stage::Waiting(_, until) => Some(*until + AWAIT),
        }
    }

    pub(crate) fn handle_timeout(&mut self, situation: &Situation, now: Micros) {
        self.handled = now;
        match &self.stage {
            Stage::Idle => self.begin(situation, now),
            Stage::Sending(cluster) if now >= cluster.started + FILL => self.failed(now),
            Stage::Waiting(_, until) if now >= *until + AWAIT => self.failed(now),
            Stage::Sending(_) | Stage::Waiting(..) => {}
        }
    }

    /// What to send now.
    pub(crate) fn probe(&self, now: Micros) -> Option<Probe> {
        let Stage::Sending(cluster) = &self.stage else {
            return None;
        };
        Some(Probe {
            bytes_left: cluster.bytes_left(),
            bytes_due: cluster.bytes_due(now),
            bitrate: cluster.bitrate,
            cluster: self.clusters,
        })
    }

    /// The rate of the cluster that is being sent.
    pub(crate) fn bitrate(&self) -> Option<u64> {
        match &self.stage {
            Stage::Sending(cluster) => Some(cluster.bitrate),
            Stage::Idle | Stage::Waiting(..) => None,
        }
    }

    /// Notes that a packet leaves; gives the mark for its record, 0 outside of clusters.
    pub(crate) fn sent(&mut self, bytes: usize, round_trip: Duration, now: Micros) -> u8 {
        let Stage::Sending(cluster) = &mut self.stage else {
            return 0;
        };
        cluster.sent(bytes, now);
        let mark = cluster.mark;
        if cluster.bytes_left() == 0 {
            self.stage = Stage::Waiting(*cluster, now + round_trip * 2 + AWAIT);
        }
        mark
    }

    /// Notes the fate of a marked packet.
    pub(crate) fn settled(&mut self, mark: u8, bytes: u16, arrival: Option<i64>) {
        if let Stage::Sending(cluster) | Stage::Waiting(cluster, _) = &mut self.stage
            && cluster.mark == mark
        {
            match arrival {
                Some(arrival) => cluster.arrived(bytes, arrival),
                None => cluster.lost(),
            }
        }
    }

    /// After a feedback: the rate that a complete probe has shown, if it is above the estimate. `own` is the share that
    /// the path loses anyway.
    pub(crate) fn take_result(&mut self, estimate: f64, own: f64, now: Micros) -> Option<f64> {
        let Stage::Waiting(cluster, until) = &self.stage else {
            return None;
        };
        if !cluster.is_settled() && now < *until {
            return None;
        }
        let Some(shown) = cluster.result(own) else {
            self.failed(now);
            return None;
        };
        self.failures = 0;
        // A full path may be shared, and a probe pushes others aside: near the goal, growing will do.
        let rate = match shown.rate / estimate {
            _ if !shown.full => shown.rate,
            near if near < NEAR => estimate,
            far if far < FAR => (estimate + shown.rate) / 2.0,
            _ => shown.rate,
        };
        let wait = match shown.full {
            false => Duration::ZERO,
            true if rate > estimate => PAUSE,
            true => INTERVAL,
        };
        self.end(wait, now);
        (rate > estimate).then_some(rate)
    }

    /// Overuse was seen.
    pub(crate) fn overused(&mut self, now: Micros) {
        self.next = self.next.max(now + AFTER_OVERUSE);
    }

    /// A cluster told nothing: the next one soon, but not for ever.
    fn failed(&mut self, now: Micros) {
        self.failures = self.failures.saturating_add(1);
        let soon = self.failures < SOON_AGAIN;
        self.end(if soon { PAUSE } else { INTERVAL }, now);
    }

    fn begin(&mut self, situation: &Situation, now: Micros) {
        let step = match situation.decreased {
            _ if self.clusters == 0 => FIRST,
            Some(at) if now.since(at) < LATELY => CAREFUL,
            Some(_) | None => BOLD,
        };
        let Some(most) = self.most(situation.estimate).filter(|_| now >= self.next) else {
            return;
        };
        let overused = situation
            .decreased
            .is_some_and(|at| now.since(at) < AFTER_OVERUSE);
        if situation.troubled || overused {
            self.next = now + PAUSE;
            return;
        }
        self.demand_probed = self.demand.unwrap_or(self.most);
        let again = self.again.take().unwrap_or(0.0);
        let target = again.max(situation.estimate * step.factor).min(most);
        self.clusters = self.clusters.wrapping_add(1);
        let mark = (self.clusters % 255) as u8 + 1;
        self.stage = Stage::Sending(Cluster::new(mark, target as u64, step.span, now));
    }

    fn end(&mut self, wait: Duration, now: Micros) {
        self.stage = Stage::Idle;
        self.ended = now;
        self.next = now + wait;
    }

    /// The highest rate that a probe may have; `None` if the estimate satisfies the sender.
    fn most(&self, estimate: f64) -> Option<f64> {
        (estimate < self.of_demand(1.0)).then(|| self.useful())
    }

    /// So many times the demand, within the settings.
    fn of_demand(&self, times: f64) -> f64 {
        self.demand
            .map_or(self.most, |demand| self.most.min(demand * times))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn situation(estimate: f64) -> Situation {
        Situation {
            estimate,
            decreased: None,
            troubled: false,
        }
    }

    fn millis(millis: u64) -> Micros {
        Micros::from_millis(millis)
    }

    /// Starts a probe at `at` milliseconds and sends it; what arrives does so at `share` of its rate. Gives its rate, when
    /// it was settled, and the result.
    fn probed(probing: &mut Probing, situation: &Situation, at: u64, share: f64) -> (u64, Option<f64>) {
        let mut now = millis(at);
        probing.handle_timeout(situation, now);
        let bitrate = probing.probe(now).unwrap().bitrate;
        while let Some(probe) = probing.probe(now) {
            let mark = probing.sent(probe.bytes_due.min(500), Duration::from_millis(50), now);
            let arrival = (now.0 as f64 / share) as i64;
            probing.settled(mark, probe.bytes_due.min(500) as u16, Some(arrival));
            now = probing.poll_timeout(situation.estimate).unwrap();
        }
        (
            bitrate,
            probing.take_result(situation.estimate, 0.0, millis(at + 100)),
        )
    }

    #[test]
    fn the_first_probe_is_three_times_the_estimate_and_success_leads_to_the_next_at_once() {
        let mut probing = Probing::new(20e6);
        let (bitrate, result) = probed(&mut probing, &situation(300e3), 1000, 1.0);
        assert_eq!(bitrate, 900_000);
        assert!((0.85e6..0.95e6).contains(&result.unwrap()), "{result:?}");
        assert_eq!(probing.poll_timeout(900e3), Some(millis(1100)));
        assert_eq!(probed(&mut probing, &situation(900e3), 1100, 1.0).0, 1_800_000);
    }

    #[test]
    fn a_full_path_is_left_alone_for_five_seconds() {
        let mut probing = Probing::new(20e6);
        let (_, result) = probed(&mut probing, &situation(1e6), 1000, 0.35);
        assert_eq!(result, None);
        assert_eq!(probing.poll_timeout(1e6), Some(millis(6100)));
    }

    #[test]
    fn a_path_that_was_full_lately_is_probed_with_care() {
        let mut probing = Probing::new(20e6);
        probed(&mut probing, &situation(1e6), 1000, 0.35);
        let lately = Situation {
            decreased: Some(millis(4000)),
            ..situation(1e6)
        };
        assert_eq!(probed(&mut probing, &lately, 7000, 1.0).0, 1_500_000);
    }

    #[test]
    fn nobody_is_probed_in_trouble_just_after_overuse_or_without_need() {
        let mut probing = Probing::new(20e6);
        let troubled = Situation {
            troubled: true,
            ..situation(1e6)
        };
        probing.handle_timeout(&troubled, millis(1000));
        assert_eq!(probing.probe(millis(1000)), None);
        probing.overused(millis(2000));
        probing.handle_timeout(&situation(1e6), millis(3000));
        assert_eq!(probing.probe(millis(3000)), None);
        probing.demand(0.9e6);
        probing.handle_timeout(&situation(1e6), millis(9000));
        assert_eq!(
            (probing.probe(millis(9000)), probing.poll_timeout(1e6)),
            (None, None)
        );
    }

    #[test]
    fn a_demand_that_rises_is_answered_within_half_a_second_but_one_that_flutters_is_not() {
        let mut probing = Probing::new(20e6);
        probing.demand(2e6);
        probed(&mut probing, &situation(1e6), 1000, 0.35);
        probing.demand(1.9e6);
        probing.demand(2.1e6);
        assert_eq!(probing.poll_timeout(1e6), Some(millis(6100)));
        probing.demand(4e6);
        assert_eq!(probing.poll_timeout(1e6), Some(millis(1600)));
    }

    #[test]
    fn a_sender_with_nothing_to_fill_a_probe_with_is_not_waited_for() {
        let mut probing = Probing::new(20e6);
        probing.handle_timeout(&situation(1e6), millis(1000));
        probing.handle_timeout(&situation(1e6), millis(1500));
        assert_eq!((probing.probe(millis(1500)), probing.failures()), (None, 1));
    }
}
