//! What is counted: packets, losses, freezes, and delays in a histogram.

use std::time::Duration;

/// What was counted since it was taken last. The threads add, the main thread takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Packets that were published.
    pub(super) sent: u64,
    /// Bytes of their payloads.
    pub(super) sent_bytes: u64,
    /// Packets that were not published, because this process had no time for them.
    pub(super) skipped: u64,
    /// Packets of media that the server sent, again or for the first time.
    pub(super) arrived: u64,
    /// Bytes of these datagrams.
    pub(super) arrived_bytes: u64,
    /// Packets of media that were received, each counted once.
    pub(super) received: u64,
    /// Of these, those that were late, most of them because they were asked for again.
    pub(super) recovered: u64,
    /// Packets that never came.
    pub(super) lost: u64,
    /// Datagrams that did not verify or belonged to nothing.
    pub(super) refused: u64,
    /// Videos that stood still.
    pub(super) freezes: u64,
    /// From the publisher to the subscriber.
    pub(super) delay: Histogram,
}

impl Tally {
    /// Adds what another has counted.
    pub(super) fn add(&mut self, other: &Self) {
        let Self {
            sent,
            sent_bytes,
            skipped,
            arrived,
            arrived_bytes,
            received,
            recovered,
            lost,
            refused,
            freezes,
            delay,
        } = other;
        self.sent += sent;
        self.sent_bytes += sent_bytes;
        self.skipped += skipped;
        self.arrived += arrived;
        self.arrived_bytes += arrived_bytes;
        self.received += received;
        self.recovered += recovered;
        self.lost += lost;
        self.refused += refused;
        self.freezes += freezes;
        self.delay.add(delay);
    }

    /// The part of packets that never came.
    pub(super) fn loss(&self) -> f64 {
        self.lost as f64 / ((self.received + self.lost) as f64).max(1.0)
    }
}

/// Each power of two is divided into so many steps: what is read is right to 3 %.
const STEPS: u64 = 32;
/// Everything above 67 s counts as that.
const BUCKETS: usize = (STEPS * 22) as usize;

/// Times in microseconds, by how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Histogram {
    counts: Box<[u64]>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: vec![0; BUCKETS].into_boxed_slice(),
            total: 0,
        }
    }
}

impl Histogram {
    pub(super) fn record(&mut self, time: Duration) {
        let bucket = bucket(time.as_micros() as u64).min(BUCKETS - 1);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
            self.total += 1;
        }
    }

    fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
    }

    /// The time that this part (0 to 1) of all is not above, in milliseconds; `None` if there is nothing.
    pub(super) fn quantile(&self, part: f64) -> Option<f64> {
        let rank = (self.total as f64 * part).ceil().max(1.0) as u64;
        let mut before = 0;
        let bucket = self.counts.iter().position(|count| {
            before += count;
            before >= rank
        });
        bucket.map(|bucket| middle(bucket) / 1000.0)
    }
}

/// Below [`STEPS`] each number has its own; above, the upper bits decide.
fn bucket(value: u64) -> usize {
    let bits = 64 - value.leading_zeros();
    let shift = bits.saturating_sub(STEPS.ilog2() + 1);
    // `value >> shift` is below twice STEPS, and at least STEPS where anything was shifted.
    (u64::from(shift) * STEPS + (value >> shift)) as usize
}

fn middle(bucket: usize) -> f64 {
    let bucket = bucket as u64;
    let shift = (bucket / STEPS).saturating_sub(1);
    let lowest = (bucket - shift * STEPS) << shift;
    let width = 1_u64 << shift;
    lowest as f64 + (width - 1) as f64 / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_right_to_three_percent_at_any_scale() {
        for value in [1, 31, 32, 33, 999, 65_535, 1_000_000, 60_000_000] {
            let mut histogram = Histogram::default();
            histogram.record(Duration::from_micros(value));
            let read = histogram.quantile(0.5).unwrap() * 1000.0;
            assert!((read / value as f64 - 1.0).abs() < 0.03, "{value}: {read}");
        }
        let mut histogram = Histogram::default();
        histogram.record(Duration::from_secs(100_000));
        assert!(
            histogram.quantile(1.0).unwrap() > 60_000.0,
            "what is too long is the longest"
        );
    }

    #[test]
    fn quantiles_divide_what_was_recorded() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        for hundredth in 1..=100 {
            histogram.record(Duration::from_millis(hundredth));
        }
        for (part, expected) in [(0.0, 1.0), (0.5, 50.0), (0.95, 95.0), (0.99, 99.0), (1.0, 100.0)] {
            let read = histogram.quantile(part).unwrap();
            assert!((read / expected - 1.0).abs() < 0.03, "{part}: {read}");
        }
    }

    #[test]
    fn what_two_threads_counted_adds_up() {
        let mut one = Tally {
            received: 3,
            lost: 1,
            ..Tally::default()
        };
        one.delay.record(Duration::from_millis(1));
        let mut both = one.clone();
        both.add(&one);
        assert_eq!((both.received, both.lost, both.delay.total), (6, 2, 2));
        assert!((both.loss() - 0.25).abs() < 1e-9);
        assert!(Tally::default().loss().abs() < 1e-9, "nothing is no loss");
    }
}
