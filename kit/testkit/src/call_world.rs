//! Calls, transfers and other traffic that share one narrow link, on an imaginary clock; and the figures of it.

use std::ops::Range;
use std::time::Duration;

use crate::{Call, CallSettings, LinkModel, LinkSettings, RenoFlow, SAMPLE, Sample, Seed};

const TICK: Duration = Duration::from_millis(1);
const CROSS_PACKET: usize = 1200;

/// Traffic that does not care.
#[derive(Clone, Copy, Debug)]
pub struct CrossTraffic {
    /// Bits per second while it is on.
    pub rate: u64,
    /// From when to when, in seconds.
    pub during: (u64, u64),
    /// It is on for so long, then off for as long; zero for always on.
    pub turns: Duration,
}

/// The link and everybody on it.
#[derive(Debug)]
pub struct CallWorld {
    seed: Seed,
    link: LinkModel,
    calls: Vec<Call>,
    transfers: Vec<(u64, RenoFlow)>,
    cross: Vec<(CrossTraffic, f64)>,
    now: Duration,
}

impl CallWorld {
    /// A link that nobody uses.
    #[must_use]
    pub fn new(link: LinkSettings, mut seed: Seed) -> CallWorld {
        let link = LinkModel::new(link, Seed::new(seed.next_number()));
        CallWorld {
            seed,
            link,
            calls: Vec::new(),
            transfers: Vec::new(),
            cross: Vec::new(),
            now: Duration::ZERO,
        }
    }

    /// Adds a call.
    #[must_use]
    pub fn with_call(mut self, settings: CallSettings) -> CallWorld {
        let seed = Seed::new(self.seed.next_number());
        self.calls.push(Call::new(settings, seed));
        self
    }

    /// Adds a transfer that begins at a second.
    #[must_use]
    pub fn with_transfer(mut self, begins: u64) -> CallWorld {
        self.transfers.push((begins, RenoFlow::new()));
        self
    }

    /// Adds traffic that does not care.
    #[must_use]
    pub fn with_cross_traffic(mut self, cross: CrossTraffic) -> CallWorld {
        self.cross.push((cross, 0.0));
        self
    }

    /// Lets time pass until a second.
    #[must_use]
    pub fn run_until(mut self, seconds: u64) -> CallWorld {
        while self.now < Duration::from_secs(seconds) {
            self.now += TICK;
            for (cross, owed) in &mut self.cross {
                cross.run(owed, &mut self.link, self.now);
            }
            for (begins, transfer) in &mut self.transfers {
                if self.now >= Duration::from_secs(*begins) {
                    transfer.run(&mut self.link, self.now);
                }
            }
            for call in &mut self.calls {
                call.run(&mut self.link, self.now);
            }
        }
        self
    }

    /// How to repeat it, for the message of an assertion.
    #[must_use]
    pub fn again(&self) -> String {
        self.seed.again()
    }

    /// The calls, in the order in which they were added.
    #[must_use]
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// The link's capacity at a time, less the traffic that does not care.
    #[must_use]
    pub fn free(&self, at: Duration) -> u64 {
        let taken: u64 = self.cross.iter().map(|(cross, _)| cross.at(at)).sum();
        self.link.settings().capacity.at(at).saturating_sub(taken)
    }

    /// Seconds from `from` until the estimate of a call first reaches a share of the free capacity.
    #[must_use]
    pub fn seconds_until(&self, call: usize, from: u64, share: f64) -> Option<f64> {
        let mut samples = self.samples(call, from..u64::MAX);
        let reached = samples.find(|(at, sample)| sample.estimate as f64 >= share * self.free(*at) as f64);
        reached.map(|(at, _)| at.as_secs_f64() - from as f64)
    }

    /// Seconds from `from` until a call sends no more than the capacity, and keeps to it for a second.
    #[must_use]
    pub fn seconds_until_below(&self, call: usize, from: u64) -> Option<f64> {
        let sent = |sample: &Sample| sample.sent as f64 * 8.0 / SAMPLE.as_secs_f64();
        let samples: Vec<_> = self.samples(call, from..u64::MAX).collect();
        let windows = samples.windows(10);
        let below = windows.map(|window| {
            let capacity = window.iter().map(|(at, _)| self.free(*at) as f64).sum::<f64>();
            window.iter().map(|(_, sample)| sent(sample)).sum::<f64>() <= capacity
        });
        let first = below.enumerate().find(|(_, below)| *below);
        first.map(|(index, _)| index as f64 * SAMPLE.as_secs_f64())
    }

    /// What arrived of a call, as a share of the free capacity.
    #[must_use]
    pub fn utilisation(&self, call: usize, seconds: Range<u64>) -> f64 {
        let samples = self.samples(call, seconds);
        let (arrived, free) = samples.fold((0.0, 0.0), |(arrived, free), (at, sample)| {
            let could = self.free(at) as f64 * SAMPLE.as_secs_f64() / 8.0;
            (arrived + sample.arrived as f64, free + could)
        });
        arrived / free
    }

    /// The mean estimate of a call in bits per second.
    #[must_use]
    pub fn mean_estimate(&self, call: usize, seconds: Range<u64>) -> f64 {
        let estimates: Vec<_> = self
            .samples(call, seconds)
            .map(|(_, sample)| sample.estimate as f64)
            .collect();
        estimates.iter().sum::<f64>() / estimates.len().max(1) as f64
    }

    /// The highest estimate as a multiple of the free capacity.
    #[must_use]
    pub fn overshoot(&self, call: usize, seconds: Range<u64>) -> f64 {
        let samples = self.samples(call, seconds);
        let times = samples.map(|(at, sample)| sample.estimate as f64 / self.free(at) as f64);
        times.fold(0.0, f64::max)
    }

    /// The share of packets that were lost.
    #[must_use]
    pub fn loss(&self, call: usize, seconds: Range<u64>) -> f64 {
        let samples = self.samples(call, seconds);
        let (lost, packets) = samples.fold((0, 0), |(lost, packets), (_, sample)| {
            (lost + sample.lost, packets + sample.packets)
        });
        f64::from(lost) / f64::from(packets.max(1))
    }

    /// The time in the link's queue that 95 % of a call's packets stayed below.
    #[must_use]
    pub fn queue_95(&self, call: usize, seconds: Range<u64>) -> Duration {
        let during = Duration::from_secs(seconds.start)..Duration::from_secs(seconds.end);
        let queueing = self.calls.get(call).into_iter().flat_map(Call::queueing);
        let mut waits: Vec<_> = queueing
            .filter(|(at, _)| during.contains(at))
            .map(|(_, waited)| *waited)
            .collect();
        waits.sort_unstable();
        waits.get(waits.len() * 95 / 100).copied().unwrap_or_default()
    }

    /// The samples of a call with their times.
    pub fn samples(&self, call: usize, seconds: Range<u64>) -> impl Iterator<Item = (Duration, Sample)> {
        let per_second = 1000 / SAMPLE.as_millis() as u64;
        let all = self.calls.get(call).map_or(&[][..], Call::samples);
        let first = usize::try_from(seconds.start * per_second).unwrap_or(usize::MAX);
        let now = u64::try_from(self.now.as_millis()).unwrap_or(u64::MAX) / 1000;
        let last = usize::try_from(seconds.end.min(now) * per_second).unwrap_or(usize::MAX);
        let indexed = all.iter().enumerate().take(last).skip(first);
        indexed.map(|(index, sample)| (SAMPLE * u32::try_from(index).unwrap_or(u32::MAX), *sample))
    }
}

impl CrossTraffic {
    fn at(&self, now: Duration) -> u64 {
        let (from, until) = self.during;
        let inside = (Duration::from_secs(from)..Duration::from_secs(until)).contains(&now);
        let turns = self.turns.as_micros();
        let on = turns == 0 || (now.as_micros() / turns).is_multiple_of(2);
        if inside && on { self.rate } else { 0 }
    }

    fn run(&self, owed: &mut f64, link: &mut LinkModel, now: Duration) {
        *owed += self.at(now) as f64 * TICK.as_secs_f64() / 8.0;
        while *owed >= CROSS_PACKET as f64 {
            *owed -= CROSS_PACKET as f64;
            let _ = link.send(CROSS_PACKET, now);
        }
    }
}
