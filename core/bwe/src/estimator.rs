//! One estimator for each subscriber transport.

use std::time::Duration;

use crate::{Limit, Micros, Probe, Sent, Settings, State, Trend};

/// How many bits per second the way to one subscriber carries.
#[derive(Debug)]
pub struct Estimator {
    settings: Settings,
    estimate: u64,
    next: u16,
    round_trip: Duration,
    loss: f32,
    demand: u64,
}

impl Estimator {
    /// Knows nothing yet: the estimate is `settings.start`.
    #[must_use]
    pub fn new(settings: Settings) -> Estimator {
        let settings = settings.sane();
        Estimator {
            settings,
            estimate: settings.start,
            next: 0,
            round_trip: Duration::from_millis(100),
            loss: 0.0,
            demand: 0,
        }
    }

    /// Notes that a packet leaves, `bytes` on the wire with its UDP and IP headers, and gives the transport-wide
    /// sequence number that it must carry.
    pub fn sent(&mut self, _bytes: usize, _kind: Sent, _now: Micros) -> u16 {
        let sequence = self.next;
        self.next = self.next.wrapping_add(1);
        sequence
    }

    /// Transport-wide feedback: for each sequence number when it arrived, in microseconds of the receiver's clock, or
    /// that it did not.
    pub fn feedback(&mut self, statuses: impl Iterator<Item = (u16, Option<i64>)>, _now: Micros) {
        let (mut arrived, mut lost) = (0_u32, 0_u32);
        for (_, arrival) in statuses {
            match arrival {
                Some(_) => arrived += 1,
                None => lost += 1,
            }
        }
        if arrived + lost > 0 {
            self.loss_seen(lost as f32 / (arrived + lost) as f32);
        }
    }

    /// An RTCP receiver report, where there is no transport-wide feedback: the fraction lost in 256ths.
    pub fn receiver_report(&mut self, fraction_lost: u8, round_trip: Option<Duration>, _now: Micros) {
        self.round_trip = round_trip.unwrap_or(self.round_trip);
        self.loss_seen(f32::from(fraction_lost) / 256.0);
    }

    /// The receiver's own estimate (REMB).
    pub fn remb(&mut self, bitrate: u64, _now: Micros) {
        self.estimate = bitrate.clamp(self.settings.min, self.settings.max);
    }

    /// Bits per second, everything counted that [`Estimator::sent`] counts.
    #[must_use]
    pub fn estimate(&self) -> u64 {
        self.estimate
    }

    /// The round-trip time, smoothed.
    #[must_use]
    pub fn round_trip(&self) -> Duration {
        self.round_trip
    }

    /// The fraction of packets that were lost lately, 0 to 1.
    #[must_use]
    pub fn loss(&self) -> f32 {
        self.loss
    }

    /// Why the estimate is what it is.
    #[must_use]
    pub fn state(&self) -> State {
        State {
            trend: Trend::Increase,
            limit: Limit::None,
            probing: false,
        }
    }

    /// What the sender would send if it could, in bits per second: the sum of the wanted layers. Nothing is probed far
    /// above it.
    pub fn demand(&mut self, bitrate: u64) {
        self.demand = bitrate;
    }

    /// When [`Estimator::handle_timeout`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Micros> {
        None
    }

    /// Time has passed: missing feedback lowers the estimate, and probes begin.
    pub fn handle_timeout(&mut self, _now: Micros) {}

    /// The probe under way, if any. The sender fills it with retransmissions or padding.
    pub fn probe(&mut self, _now: Micros) -> Option<Probe> {
        None
    }

    fn loss_seen(&mut self, loss: f32) {
        self.loss += (loss - self.loss) * 0.2;
        let factor = if loss < 0.02 {
            1.004
        } else {
            1.0 - 0.5 * f64::from((loss - 0.1).max(0.0))
        };
        let next = (self.estimate as f64 * factor) as u64;
        self.estimate = next.clamp(self.settings.min, self.settings.max);
    }
}
