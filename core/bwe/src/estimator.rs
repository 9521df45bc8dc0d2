//! One estimator for each subscriber transport: it asks its parts and takes the least of what they allow.

use std::time::Duration;

use crate::aimd::{Aimd, Phase, Seen as Shown};
use crate::contest::Contest;
use crate::groups::{Groups, Seen};
use crate::history::{History, Settled};
use crate::loss::LossBound;
use crate::meter::Meter;
use crate::probing::{Probing, Situation};
use crate::queueing::Queueing;
use crate::reports::Reports;
use crate::silence::Silence;
use crate::throughput::Throughput;
use crate::trend::{TrendLine, Usage};
use crate::{Limit, Micros, Probe, Sent, Settings, State, Trend};

/// A feedback tells of at most so many packets; there are no more sequence numbers.
const MOST_STATUSES: usize = 1 << 16;
/// Without transport-wide feedback for this time, receiver reports and REMB are believed instead.
const TRANSPORT_WIDE_FRESH: Duration = Duration::from_secs(10);
/// What arrives is measured over this time; while a queue stands, over the shorter one, as then the path is full.
const WINDOW: Duration = Duration::from_millis(500);
const WINDOW_FULL: Duration = Duration::from_millis(200);
const FULL: Duration = Duration::from_millis(50);
/// With a queue of this length, and less than this share of what was sent arriving, the path has collapsed: that needs no trend.
const COLLAPSED: (Duration, f64) = (Duration::from_millis(60), 0.6);
/// A sender below this share of the estimate is limited by itself.
const APPLICATION: f64 = 0.7;
/// For so long after overuse it is delay that limits the estimate.
const DELAY: Duration = Duration::from_secs(10);
/// Without any transport-wide feedback after so many probes, the receiver gives none, and probes are in vain.
const BLIND: u32 = 2;
/// A datagram has no more bytes.
const DATAGRAM: usize = 65_535;
/// The pacer's rate in tenths of the estimate: a large frame should leave in a fraction of its time.
const PACE_TENTHS: u64 = 25;
/// While a queue stands on the path, what leaves sooner only makes it longer, until it is full and loses what was hurried.
const PACE_FULL_TENTHS: u64 = 12;
/// For want of feedback the rate sinks by so much each time.
const SILENT: f64 = 0.7;

/// How many bits per second the way to one subscriber carries.
#[derive(Debug)]
pub struct Estimator {
    settings: Settings,
    history: History,
    groups: Groups,
    trend: TrendLine,
    queueing: Queueing,
    throughput: Throughput,
    aimd: Aimd,
    contest: Contest,
    loss_bound: LossBound,
    probing: Probing,
    silence: Silence,
    reports: Reports,
    application: Meter,
    /// Transport-wide feedback came last at this time.
    transport_wide: Option<Micros>,
    round_trip: Duration,
    round_trip_known: bool,
    loss: f32,
    estimate: u64,
    limit: Limit,
}

impl Estimator {
    /// Knows nothing yet: the estimate is `settings.start`.
    #[must_use]
    pub fn new(settings: Settings) -> Estimator {
        let settings = settings.sane();
        let start = settings.start as f64;
        Estimator {
            settings,
            history: History::new(),
            groups: Groups::default(),
            trend: TrendLine::new(),
            queueing: Queueing::default(),
            throughput: Throughput::new(),
            aimd: Aimd::new(start),
            contest: Contest::default(),
            loss_bound: LossBound::default(),
            probing: Probing::new(settings.max as f64),
            silence: Silence::new(),
            reports: Reports::new(start),
            application: Meter::default(),
            transport_wide: None,
            round_trip: Duration::from_millis(100),
            round_trip_known: false,
            loss: 0.0,
            estimate: settings.start,
            limit: Limit::None,
        }
    }

    /// Notes that a packet leaves, `bytes` on the wire with its UDP and IP headers, and gives the transport-wide
    /// sequence number that it must carry.
    pub fn sent(&mut self, bytes: usize, kind: Sent, now: Micros) -> u16 {
        let bytes = bytes.min(DATAGRAM);
        match kind {
            Sent::Media | Sent::Retransmission => self.application.add(bytes, now),
            Sent::Probe | Sent::Padding => {}
        }
        let cluster = self.probing.sent(bytes, self.round_trip, now);
        self.silence.sent(now);
        self.history.push(bytes, cluster, now)
    }

    /// Transport-wide feedback: for each sequence number when it arrived, in microseconds of the receiver's clock, or
    /// that it did not. Numbers that are unknown, or of which nothing new is said, change nothing.
    pub fn feedback(&mut self, statuses: impl Iterator<Item = (u16, Option<i64>)>, now: Micros) {
        let outage = self.silence.heard(true, self.round_trip);
        self.transport_wide = Some(now);
        let (mut arrived, mut lost) = (0_u32, 0_u32);
        let mut newest = None;
        for (sequence, arrival) in statuses.take(MOST_STATUSES) {
            let Some(settled) = self.history.settle(sequence, arrival.is_some(), now) else {
                continue;
            };
            if settled.cluster != 0 {
                self.probing.settled(settled.cluster, settled.bytes, arrival);
            }
            match arrival {
                Some(arrival) => {
                    arrived += 1;
                    newest = newest.max(Some(settled.sent));
                    self.arrived(&settled, arrival, now);
                }
                None => lost += 1,
            }
            if settled.late {
                self.loss_bound.arrived_late();
            } else {
                self.loss_bound
                    .settled(settled.sent, settled.bytes, arrival.is_some());
            }
        }
        if let Some(sent) = newest {
            self.round_trip_seen(now.since(sent));
        }
        if arrived + lost > 0 {
            self.loss_seen(lost, arrived + lost);
        }
        if let Some(before) = outage {
            self.loss_bound.skip(now);
            self.probing.again(before, now);
        }
        self.decide(now);
    }

    /// An RTCP receiver report: the fraction lost in 256ths. Where there is transport-wide feedback it tells the
    /// round-trip time only.
    pub fn receiver_report(&mut self, fraction_lost: u8, round_trip: Option<Duration>, now: Micros) {
        if let Some(round_trip) = round_trip {
            self.round_trip_seen(round_trip);
        }
        if self.has_transport_wide(now) {
            return;
        }
        self.silence.heard(false, self.round_trip);
        self.loss_seen(u32::from(fraction_lost), 256);
        self.reports
            .report(f64::from(fraction_lost) / 256.0, self.settings.max as f64, now);
        self.combine(now);
    }

    /// The receiver's own estimate (REMB), of payloads. With headers added it bounds this one until it is four seconds old.
    pub fn remb(&mut self, bitrate: u64, now: Micros) {
        if !self.has_transport_wide(now) {
            self.silence.heard(false, self.round_trip);
        }
        self.reports.remb(bitrate as f64, now);
        self.combine(now);
    }

    /// Bits per second, everything counted that [`Estimator::sent`] counts.
    #[must_use]
    pub fn estimate(&self) -> u64 {
        self.estimate
    }

    /// Bits per second at which the pacer should send: two and a half times the estimate, a fifth more than it where a queue
    /// stands on the path, and no less than the probe under way.
    #[must_use]
    pub fn pace(&self) -> u64 {
        let probe = self.probing.bitrate().unwrap_or(0);
        let tenths = if self.queue() > FULL {
            PACE_FULL_TENTHS
        } else {
            PACE_TENTHS
        };
        (self.estimate / 10).saturating_mul(tenths).max(probe)
    }

    /// The round-trip time, smoothed; 100 ms before anything is known.
    #[must_use]
    pub fn round_trip(&self) -> Duration {
        self.round_trip
    }

    /// The fraction of packets that were lost lately, 0 to 1.
    #[must_use]
    pub fn loss(&self) -> f32 {
        self.loss
    }

    /// How long the queue of the path is, as far as delays tell.
    #[must_use]
    pub fn queue(&self) -> Duration {
        self.queueing.queue()
    }

    /// Why the estimate is what it is.
    #[must_use]
    pub fn state(&self) -> State {
        let trend = match self.limit {
            Limit::Silence => Trend::Decrease,
            Limit::Loss if self.loss_bound.falling() || self.reports.falling() => Trend::Decrease,
            Limit::Loss | Limit::Receiver | Limit::Settings => Trend::Hold,
            Limit::None | Limit::Delay | Limit::Application => match self.aimd.phase() {
                Phase::Increase => Trend::Increase,
                Phase::Hold => Trend::Hold,
                Phase::Decrease => Trend::Decrease,
            },
        };
        State {
            trend,
            limit: self.limit,
            probing: self.probing.is_under_way(),
        }
    }

    /// What the sender would send if it could, in bits per second: the sum of the wanted layers. No probe asks for more
    /// than one and a half times that, and none is sent while the estimate is above it. Before the first call there is
    /// no such bound.
    pub fn demand(&mut self, bitrate: u64) {
        self.probing.demand(bitrate as f64);
    }

    /// When [`Estimator::handle_timeout`] and then [`Estimator::probe`] want to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Micros> {
        // Before the first packet there is nobody to probe.
        let probing = self
            .silence
            .has_begun()
            .then(|| self.probing.poll_timeout(self.estimate as f64));
        self.silence
            .poll_timeout()
            .into_iter()
            .chain(probing.flatten())
            .min()
    }

    /// Time has passed: missing feedback lowers the estimate, and probes begin.
    pub fn handle_timeout(&mut self, now: Micros) {
        if self.silence.handle_timeout(self.aimd.rate(), now) {
            let lower = (self.estimate as f64 * SILENT).max(self.settings.min as f64);
            self.aimd.set(lower);
            self.reports.follow(lower);
            self.combine(now);
        }
        let blind = self.transport_wide.is_none() && self.probing.failures() >= BLIND;
        let situation = Situation {
            estimate: self.estimate as f64,
            decreased: self.aimd.decreased(),
            troubled: self.loss_bound.is_unsure() || self.silence.is_on() || blind,
        };
        if self.silence.has_begun() {
            self.probing.handle_timeout(&situation, now);
        }
    }

    /// The probe under way, if any. The sender fills it with retransmissions or padding.
    pub fn probe(&mut self, now: Micros) -> Option<Probe> {
        self.probing.probe(now)
    }

    fn arrived(&mut self, settled: &Settled, arrival: i64, now: Micros) {
        let one_way = arrival.saturating_sub_unsigned(settled.sent.0);
        self.queueing.add(one_way, arrival, settled.bytes);
        match self.groups.add(settled.sent, arrival, settled.bytes) {
            Seen::Nothing => {}
            Seen::Jumped => {
                self.trend = TrendLine::new();
                self.queueing.forget();
                self.throughput.forget();
            }
            Seen::Complete { group, before } => {
                self.throughput.add(&group);
                if let Some(before) = before {
                    self.trend.update(&before, &group, now);
                }
            }
        }
    }

    /// A feedback has been read: moves the rate that delay allows and the bound that loss sets.
    fn decide(&mut self, now: Micros) {
        self.queueing.update(now);
        let queue = self.queueing.queue();
        let lossless = 1.0 - self.loss_bound.own();
        let mut throughput = self.throughput.rate(WINDOW_FULL);
        if queue <= FULL {
            throughput = self
                .throughput
                .rate(WINDOW)
                .map(|long| long.max(throughput.unwrap_or(0.0)));
        }
        let (long, arriving) = COLLAPSED;
        let least = self.application.rate() * arriving * lossless;
        // While a queue stands, fewer packets tell what the path carries.
        let carries = self.queueing.throughput().or(throughput);
        let collapsed = queue > long && carries.is_some_and(|rate| rate < least);
        let usage = if collapsed {
            throughput = carries;
            Usage::Over
        } else {
            self.trend.usage()
        };
        let shown = Shown {
            usage,
            throughput: throughput.map(|rate| rate / lossless),
            queue,
            round_trip: self.round_trip,
            useful: self.probing.useful(),
        };
        self.aimd.update(shown, now);
        if self.aimd.decreased() == Some(now) {
            self.contest.lowered(queue, now);
        }
        self.contest.update(queue, self.round_trip, now);
        self.trend.keep_threshold(self.contest.is_in_vain());
        if usage == Usage::Over {
            self.probing.overused(now);
        }
        if let Some(result) = self
            .probing
            .take_result(self.estimate as f64, self.loss_bound.own(), now)
        {
            self.aimd.raise(result.max(self.aimd.rate()), now);
            self.loss_bound.raise(result);
        }
        self.loss_bound.update(self.aimd.rate(), now);
        self.combine(now);
    }

    /// The least of what the parts allow.
    fn combine(&mut self, now: Micros) {
        let (min, max) = (self.settings.min as f64, self.settings.max as f64);
        let (mut rate, mut limit) = (max, Limit::Settings);
        let transport_wide = self.has_transport_wide(now);
        self.aimd.set_between(min, max);
        let mut bound = |by: f64, why: Limit| {
            if by < rate {
                (rate, limit) = (by, why);
            }
        };
        if transport_wide {
            bound(self.aimd.rate(), self.without_loss(now));
            if let Some(by) = self.loss_bound.bound() {
                bound(by, Limit::Loss);
            }
        } else {
            let why = if self.reports.is_lossy() {
                Limit::Loss
            } else {
                Limit::None
            };
            bound(self.reports.rate(), why);
        }
        if let Some(by) = self.reports.bound(now) {
            bound(by, Limit::Receiver);
        }
        if self.silence.is_on() {
            limit = Limit::Silence;
        }
        self.estimate = (rate.clamp(min, max)) as u64;
        self.limit = limit;
        if transport_wide {
            self.reports.follow(self.estimate as f64);
        }
    }

    /// What limits the rate that delay allows.
    fn without_loss(&self, now: Micros) -> Limit {
        if self.aimd.decreased().is_some_and(|at| now.since(at) < DELAY) {
            Limit::Delay
        } else if self.application.rate() < self.aimd.rate() * APPLICATION {
            Limit::Application
        } else {
            Limit::None
        }
    }

    fn has_transport_wide(&self, now: Micros) -> bool {
        self.transport_wide
            .is_some_and(|at| now.since(at) < TRANSPORT_WIDE_FRESH)
    }

    fn round_trip_seen(&mut self, seen: Duration) {
        let seen = seen.min(Duration::from_secs(5));
        self.round_trip = if self.round_trip_known {
            (self.round_trip * 7 + seen) / 8
        } else {
            seen
        };
        self.round_trip_known = true;
    }

    fn loss_seen(&mut self, lost: u32, of: u32) {
        let seen = lost as f32 / of as f32;
        let weight = (of as f32 / 100.0).clamp(0.02, 0.5);
        self.loss += (seen - self.loss) * weight;
    }
}
