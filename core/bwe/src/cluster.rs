//! One probe: packets sent at a chosen rate, and the rate at which they arrived.

use std::time::Duration;

use crate::Micros;

/// A cluster lasts longer if that is needed to send so many packets.
const PACKETS: u32 = 6;
const LEAST_MICROS: i64 = 20_000;
/// A byte in bits times microseconds per second.
const BYTE: u64 = 8 * 1_000_000;
/// So much of a cluster must arrive before it says anything.
const ARRIVED: f64 = 0.65;
/// Below this share of the rate at which it left, the path was full: then the estimate stays a little lower than what
/// arrived, so that queues drain.
const FULL: f64 = 0.9;
const BELOW_FULL: f64 = 0.95;

/// Counts of one cluster. Times and sizes of its first and last packet tell the rates.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cluster {
    /// What its packets are marked with; never 0.
    pub(crate) mark: u8,
    pub(crate) bitrate: u64,
    span: Duration,
    pub(crate) started: Micros,
    sent: Run,
    arrived: Run,
    lost: u32,
}

/// What a cluster has shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shown {
    /// Bits per second.
    pub(crate) rate: f64,
    /// Whether the path was full: others may have been pushed aside for the moment.
    pub(crate) full: bool,
}

/// Bytes between a first and a last time.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    first: i64,
    last: i64,
    bytes: u64,
    first_bytes: u64,
    last_bytes: u64,
    packets: u32,
}

impl Run {
    fn add(&mut self, at: i64, bytes: u64) {
        if self.packets == 0 || at < self.first {
            (self.first, self.first_bytes) = (at, bytes);
        }
        if self.packets == 0 || at >= self.last {
            (self.last, self.last_bytes) = (at, bytes);
        }
        self.bytes += bytes;
        self.packets += 1;
    }

    fn rate(&self, without: u64) -> Option<f64> {
        let span = self.last.saturating_sub(self.first);
        (span > 0).then(|| self.bytes.saturating_sub(without) as f64 * 8e6 / span as f64)
    }
}

impl Cluster {
    pub(crate) fn new(mark: u8, bitrate: u64, span: Duration, now: Micros) -> Cluster {
        Cluster {
            mark,
            bitrate: bitrate.max(1),
            span,
            started: now,
            sent: Run::default(),
            arrived: Run::default(),
            lost: 0,
        }
    }

    pub(crate) fn sent(&mut self, bytes: usize, now: Micros) {
        self.sent
            .add(i64::try_from(now.0).unwrap_or(i64::MAX), bytes as u64);
    }

    pub(crate) fn arrived(&mut self, bytes: u16, arrival: i64) {
        self.arrived.add(arrival, u64::from(bytes));
    }

    pub(crate) fn lost(&mut self) {
        self.lost += 1;
    }

    /// Bytes until it is complete: at least one while packets or time are missing. Media that left in a burst makes it
    /// longer, since a burst has no rate.
    pub(crate) fn bytes_left(&self) -> usize {
        let whole = self.planned(self.span);
        let short = self.sent.last.saturating_sub(self.sent.first) < LEAST_MICROS;
        let unfinished = self.sent.packets < PACKETS || short;
        whole.saturating_sub(self.sent.bytes).max(u64::from(unfinished)) as usize
    }

    /// Bytes that should have left by `now` and have not.
    pub(crate) fn bytes_due(&self, now: Micros) -> usize {
        let due = (self.planned(now.since(self.started)) + 1).saturating_sub(self.sent.bytes);
        (due as usize).min(self.bytes_left())
    }

    /// When the next byte is due.
    pub(crate) fn next_due(&self) -> Micros {
        let micros = self.sent.bytes.saturating_mul(BYTE).div_ceil(self.bitrate);
        self.started + Duration::from_micros(micros)
    }

    /// Bytes that leave within a time, at the rate.
    fn planned(&self, time: Duration) -> u64 {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.bitrate.saturating_mul(micros) / BYTE
    }

    /// Whether the fate of everything that was sent is known.
    pub(crate) fn is_settled(&self) -> bool {
        self.arrived.packets + self.lost >= self.sent.packets
    }

    /// What the path has shown to carry, if it loses the share `own` of everything anyway.
    pub(crate) fn result(&self, own: f64) -> Option<Shown> {
        let enough = |part: f64, whole: f64| part >= whole * ARRIVED * (1.0 - own);
        if !enough(self.arrived.bytes as f64, self.sent.bytes as f64)
            || !enough(f64::from(self.arrived.packets), f64::from(self.sent.packets))
        {
            return None;
        }
        let sent = self.sent.rate(self.sent.last_bytes)?;
        let arrived = self.arrived.rate(self.arrived.first_bytes)? / (1.0 - own);
        if arrived > sent * 2.0 {
            return None;
        }
        let full = arrived < FULL * sent;
        let rate = if full {
            arrived * BELOW_FULL
        } else {
            arrived.min(sent)
        };
        Some(Shown { rate, full })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends a cluster at 2 Mbit/s; its packets arrive at `arrives`, but the first `lost`.
    fn probed(arrives: f64, lost: u64) -> Option<Shown> {
        let mut cluster = Cluster::new(1, 2_000_000, Duration::from_millis(25), Micros::from_seconds(1));
        let mut now = cluster.started;
        let mut packets = 0;
        while cluster.bytes_left() > 0 {
            assert!(cluster.bytes_due(now) > 0);
            cluster.sent(1000, now);
            if packets >= lost {
                cluster.arrived(1000, (packets as f64 * 8e9 / arrives) as i64);
            }
            packets += 1;
            now = cluster.next_due();
        }
        assert!(packets >= u64::from(PACKETS));
        cluster.result(0.0)
    }

    #[test]
    fn a_path_that_carries_the_probe_carries_its_rate() {
        let shown = probed(2e6, 0).unwrap();
        assert!((1.9e6..2.1e6).contains(&shown.rate) && !shown.full, "{shown:?}");
    }

    #[test]
    fn a_full_path_shows_a_little_less_than_it_carries() {
        let shown = probed(1e6, 0).unwrap();
        assert!((0.93e6..0.96e6).contains(&shown.rate) && shown.full, "{shown:?}");
    }

    #[test]
    fn a_cluster_with_holes_or_one_that_piled_up_says_nothing() {
        assert_eq!(probed(2e6, 4), None);
        assert_eq!(probed(9e6, 0), None);
    }
}
