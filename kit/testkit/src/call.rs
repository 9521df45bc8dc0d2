//! One imaginary video flow: estimator, pacer and source at one end, a receiver that writes feedback at the other.

use std::collections::BTreeMap;
use std::time::Duration;

use trefoil_bwe::{Estimator, Micros, Pacer, Priority, Pushed, Sent, Settings};

use crate::{Follows, LinkModel, Seed, VideoSource};

/// Feedback is written at this interval.
const FEEDBACK_EACH: Duration = Duration::from_millis(50);
const AUDIO_EACH: Duration = Duration::from_millis(20);
const AUDIO_BYTES: usize = 130;
const PADDING_MOST: usize = 300;
/// A receiver's clock counts quarters of a millisecond, has an origin of its own and runs too fast.
const CLOCK_STEP: i64 = 250;
const CLOCK_ORIGIN: i64 = 7_777_777_000;
const CLOCK_DRIFT_PER_MILLION: i64 = 40;

const TICKS_PER_SECOND: f64 = 1000.0;

/// A packet of the pacer.
#[derive(Clone, Copy, Debug)]
struct Packet {
    bytes: usize,
    kind: Sent,
}

/// What a call does.
#[derive(Clone, Debug)]
pub struct CallSettings {
    /// Its estimator.
    pub estimator: Settings,
    /// Its source.
    pub follows: Follows,
    /// What it would send if it could, from which second on.
    pub demand: Vec<(u64, u64)>,
    /// When it begins, in seconds.
    pub begins: u64,
    /// Feedback packets that vanish, in percent.
    pub feedback_loss_percent: u8,
    /// Whether there is padding for probes.
    pub pads: bool,
}

impl CallSettings {
    /// An encoder that could send 20 Mbit/s.
    #[must_use]
    pub fn encoder() -> CallSettings {
        CallSettings {
            estimator: Settings::default(),
            follows: Follows::Estimate,
            demand: vec![(0, 20_000_000)],
            begins: 0,
            feedback_loss_percent: 0,
            pads: true,
        }
    }

    /// A forwarder that may choose from layers.
    #[must_use]
    pub fn layers(layers: &[u64]) -> CallSettings {
        CallSettings {
            demand: vec![(0, layers.iter().copied().max().unwrap_or(0))],
            follows: Follows::Layers(layers.to_vec()),
            ..CallSettings::encoder()
        }
    }
}

/// What is seen of a call in a tenth of a second.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// The estimate at its end.
    pub estimate: u64,
    /// Bytes that were sent in it.
    pub sent: u64,
    /// Bytes that arrived in it.
    pub arrived: u64,
    /// Packets that were sent in it.
    pub packets: u32,
    /// Those of them that never arrived.
    pub lost: u32,
}

/// A sample is this long.
pub const SAMPLE: Duration = Duration::from_millis(100);

#[derive(Debug)]
struct Receiver {
    arrivals: BTreeMap<u64, Duration>,
    /// Everything before this one has been told.
    told: u64,
    /// The first one that arrived since feedback was written last.
    news_from: Option<u64>,
    next_feedback: Duration,
}

/// The call.
#[derive(Debug)]
pub struct Call {
    settings: CallSettings,
    estimator: Estimator,
    pacer: Pacer<Packet>,
    source: VideoSource,
    seed: Seed,
    next_audio: Duration,
    sent: u64,
    /// Sent media that may be asked for again, by sequence number.
    kept: BTreeMap<u16, Packet>,
    /// Packets under way, by arrival.
    flying: BTreeMap<(Duration, u64), usize>,
    receiver: Receiver,
    feedback: BTreeMap<Duration, Vec<(u16, Option<i64>)>>,
    samples: Vec<Sample>,
    /// (when sent, how long in the queue)
    queueing: Vec<(Duration, Duration)>,
    padding_bytes: u64,
    /// Bits per second of retransmissions, over about a second.
    repeated_rate: f64,
}

impl Call {
    /// A call that has not begun.
    #[must_use]
    pub fn new(settings: CallSettings, mut seed: Seed) -> Call {
        let source = VideoSource::new(settings.follows.clone(), Seed::new(seed.next_number()));
        let estimator = Estimator::new(settings.estimator);
        Call {
            settings,
            estimator,
            pacer: Pacer::new(),
            source,
            seed,
            next_audio: Duration::ZERO,
            sent: 0,
            kept: BTreeMap::new(),
            flying: BTreeMap::new(),
            receiver: Receiver {
                arrivals: BTreeMap::new(),
                told: 0,
                news_from: None,
                next_feedback: Duration::ZERO,
            },
            feedback: BTreeMap::new(),
            samples: Vec::new(),
            queueing: Vec::new(),
            padding_bytes: 0,
            repeated_rate: 0.0,
        }
    }

    /// Its estimator.
    #[must_use]
    pub fn estimator(&self) -> &Estimator {
        &self.estimator
    }

    /// What was seen of it, each tenth of a second from the beginning of the world.
    #[must_use]
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// When each packet was sent and how long it stood in the link's queue.
    #[must_use]
    pub fn queueing(&self) -> &[(Duration, Duration)] {
        &self.queueing
    }

    /// Bytes that were sent for probes only.
    #[must_use]
    pub fn padding_bytes(&self) -> u64 {
        self.padding_bytes
    }

    /// A millisecond passes.
    pub fn run(&mut self, link: &mut LinkModel, now: Duration) {
        self.receive(link, now);
        if now >= Duration::from_secs(self.settings.begins) {
            self.learn(link, now);
            self.send(link, now);
        }
        let estimate = self.estimator.estimate();
        self.sample(now).estimate = estimate;
    }

    fn receive(&mut self, link: &LinkModel, now: Duration) {
        while let Some(entry) = self.flying.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((at, number), bytes) = entry.remove_entry();
            self.receiver.arrivals.insert(number, at);
            let news_from = self.receiver.news_from.unwrap_or(number).min(number);
            self.receiver.news_from = Some(news_from);
            self.sample(at).arrived += bytes as u64;
        }
        if now < self.receiver.next_feedback {
            return;
        }
        self.receiver.next_feedback = now + FEEDBACK_EACH;
        let Some(news_from) = self.receiver.news_from.take() else {
            return;
        };
        let first = self.receiver.told.min(news_from);
        let last = self
            .receiver
            .arrivals
            .last_key_value()
            .map_or(first, |(number, _)| *number);
        let statuses = (first..=last).map(|number| {
            let arrival = self.receiver.arrivals.get(&number).map(|at| clock(*at));
            (number as u16, arrival)
        });
        let statuses = statuses.collect();
        self.receiver.told = last + 1;
        self.receiver.arrivals = self.receiver.arrivals.split_off(&last.saturating_sub(3000));
        let dark = link.settings().blackout.is_some_and(|(from, until)| {
            (Duration::from_secs(from)..Duration::from_secs(until)).contains(&now)
        });
        if !dark && !self.seed.happens(self.settings.feedback_loss_percent) {
            let jitter = Duration::from_micros(self.seed.below(3000));
            self.feedback
                .insert(now + link.settings().delay + jitter, statuses);
        }
    }

    fn learn(&mut self, link: &mut LinkModel, now: Duration) {
        while let Some(entry) = self.feedback.first_entry().filter(|entry| *entry.key() <= now) {
            let statuses = entry.remove();
            let again = statuses.iter().filter(|(_, arrival)| arrival.is_none());
            let again: Vec<Packet> = again.filter_map(|(number, _)| self.kept.remove(number)).collect();
            self.estimator.feedback(statuses.into_iter(), micros(now));
            for packet in again {
                let priority = Priority::Retransmission;
                self.repeated_rate += packet.bytes as f64 * 8.0;
                self.push(packet.bytes, Sent::Retransmission, priority, link, now);
            }
        }
        if self.estimator.poll_timeout().is_some_and(|at| at <= micros(now)) {
            self.estimator.handle_timeout(micros(now));
        }
    }

    fn send(&mut self, link: &mut LinkModel, now: Duration) {
        let demands = self.settings.demand.iter().rev();
        let demand = demands
            .clone()
            .find(|(from, _)| Duration::from_secs(*from) <= now);
        let demand = demand.map_or(0, |(_, demand)| *demand);
        self.estimator.demand(demand);
        self.repeated_rate *= 1.0 - TICKS_PER_SECOND.recip();
        let left = self
            .estimator
            .estimate()
            .saturating_sub(self.repeated_rate as u64);
        self.source.follow(left, demand, now);
        self.pacer.set_rate(self.estimator.pace());
        if now >= self.next_audio {
            self.next_audio = now + AUDIO_EACH;
            self.push(AUDIO_BYTES, Sent::Media, Priority::Audio, link, now);
        }
        for bytes in self.source.packets(now) {
            self.push(bytes, Sent::Media, Priority::Video, link, now);
        }
        while let Some(packet) = self.pacer.pop(micros(now)) {
            self.transmit(packet, link, now);
        }
        while self.settings.pads
            && let Some(probe) = self.estimator.probe(micros(now))
            && probe.bytes_due > 0
        {
            let bytes = probe.bytes_due.clamp(100, PADDING_MOST);
            let kind = Sent::Probe;
            self.padding_bytes += bytes as u64;
            self.transmit(Packet { bytes, kind }, link, now);
        }
    }

    fn push(&mut self, bytes: usize, kind: Sent, priority: Priority, link: &mut LinkModel, now: Duration) {
        let packet = Packet { bytes, kind };
        match self.pacer.push(packet, bytes, priority, micros(now)) {
            Pushed::SendNow => self.transmit(packet, link, now),
            Pushed::Queued | Pushed::Dropped(_) => {}
        }
    }

    fn transmit(&mut self, packet: Packet, link: &mut LinkModel, now: Duration) {
        let number = self.estimator.sent(packet.bytes, packet.kind, micros(now));
        if packet.kind == Sent::Media {
            self.kept.insert(number, packet);
        } else {
            self.kept.remove(&number);
        }
        let waits = link.queue_delay(now);
        let arrival = link.send(packet.bytes, now);
        match arrival {
            Some(at) => {
                self.flying.insert((at, self.sent), packet.bytes);
                self.queueing.push((now, waits));
            }
            None => self.sample(now).lost += 1,
        }
        let sample = self.sample(now);
        sample.sent += packet.bytes as u64;
        sample.packets += 1;
        self.sent += 1;
    }

    #[expect(clippy::indexing_slicing, reason = "the line before makes room")]
    fn sample(&mut self, at: Duration) -> &mut Sample {
        let index = (at.as_millis() / SAMPLE.as_millis()) as usize;
        if index >= self.samples.len() {
            self.samples.resize(index + 1, Sample::default());
        }
        &mut self.samples[index]
    }
}

fn micros(at: Duration) -> Micros {
    Micros::ZERO + at
}

/// What the receiver's clock shows.
fn clock(at: Duration) -> i64 {
    let at = i64::try_from(at.as_micros()).unwrap_or(i64::MAX);
    let shown = CLOCK_ORIGIN + at + at / 1_000_000 * CLOCK_DRIFT_PER_MILLION;
    shown / CLOCK_STEP * CLOCK_STEP
}
