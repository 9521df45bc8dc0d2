//! How long the queue of the path is: the delay above the least delay that was seen lately.

use std::time::Duration;

use crate::Micros;

/// The least delay is that of this time and of the one before it.
const WINDOW: Duration = Duration::from_secs(30);
/// A queue of this length stands: the path was busy with it all the time, and what arrived meanwhile is what it carries. A
/// packet alone takes 32 ms at 300 kbit/s.
const STANDS: Duration = Duration::from_millis(40);
/// That is measured over no less than this time, and anew after no more than that.
const LEAST_MICROS: i64 = 50_000;
const MOST_MICROS: i64 = 400_000;

/// One-way delays on two clocks, of which only differences mean something.
#[derive(Debug, Default)]
pub(crate) struct Queueing {
    least: Option<i64>,
    least_before: Option<i64>,
    turned: Micros,
    /// The least delay since the last feedback: jitter and bursts make single packets late, a queue makes all late.
    lately: Option<i64>,
    queue: Duration,
    /// What arrived since the last feedback, and since a queue stands.
    arrived: Option<Run>,
    standing: Option<Run>,
}

/// Packets from a first to a last arrival.
#[derive(Clone, Copy, Debug)]
struct Run {
    first: i64,
    last: i64,
    first_bytes: u64,
    bytes: u64,
}

impl Queueing {
    /// Notes the delay of one packet, and that so much arrived then.
    pub(crate) fn add(&mut self, one_way: i64, arrival: i64, bytes: u16) {
        self.lately = least(self.lately, Some(one_way));
        let bytes = u64::from(bytes);
        let run = self.arrived.get_or_insert(Run {
            first: arrival,
            last: arrival,
            first_bytes: bytes,
            bytes: 0,
        });
        run.last = run.last.max(arrival);
        run.bytes += bytes;
    }

    /// Closes what one feedback told.
    pub(crate) fn update(&mut self, now: Micros) {
        let Some(lately) = self.lately.take() else {
            return;
        };
        if now.since(self.turned) > WINDOW {
            (self.least_before, self.least) = (self.least, None);
            self.turned = now;
        }
        self.least = least(self.least, Some(lately));
        let base = least(self.least, self.least_before).unwrap_or(lately);
        let above = u64::try_from(lately.saturating_sub(base)).unwrap_or(0);
        self.queue = Duration::from_micros(above);
        self.stand();
    }

    /// Adds what arrived since the last feedback to what arrived while the queue stands.
    fn stand(&mut self) {
        let arrived = self.arrived.take().filter(|_| self.queue > STANDS);
        let before = self
            .standing
            .filter(|run| run.last.saturating_sub(run.first) < MOST_MICROS);
        self.standing = arrived.map(|arrived| {
            before.map_or(arrived, |before| Run {
                last: arrived.last,
                bytes: before.bytes + arrived.bytes,
                ..before
            })
        });
    }

    /// Bits per second that arrive while a queue stands, if one has stood long enough to tell.
    pub(crate) fn throughput(&self) -> Option<f64> {
        let run = self.standing?;
        let span = run.last.saturating_sub(run.first);
        (span >= LEAST_MICROS).then(|| (run.bytes - run.first_bytes) as f64 * 8e6 / span as f64)
    }

    /// The queue as of the last feedback.
    pub(crate) fn queue(&self) -> Duration {
        self.queue
    }

    /// The clocks changed.
    pub(crate) fn forget(&mut self) {
        *self = Queueing {
            turned: self.turned,
            ..Queueing::default()
        };
    }
}

fn least(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    one.into_iter().chain(other).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(queueing: &mut Queueing, delays: &[i64], now: u64) -> u128 {
        delays.iter().for_each(|delay| queueing.add(*delay, *delay, 1200));
        queueing.update(Micros::from_seconds(now));
        queueing.queue().as_millis()
    }

    #[test]
    fn the_queue_is_what_is_above_the_least_delay() {
        let mut queueing = Queueing::default();
        assert_eq!(after(&mut queueing, &[-70_000, -50_000], 1), 0);
        assert_eq!(after(&mut queueing, &[40_000, -20_000], 2), 50);
        assert_eq!(after(&mut queueing, &[], 3), 50);
        assert_eq!(after(&mut queueing, &[-80_000], 4), 0);
    }

    #[test]
    fn a_longer_route_is_no_queue_after_a_minute() {
        let mut queueing = Queueing::default();
        after(&mut queueing, &[0], 1);
        assert_eq!(after(&mut queueing, &[90_000], 40), 90);
        assert_eq!(after(&mut queueing, &[90_000], 80), 0);
    }

    #[test]
    fn what_arrives_while_a_queue_stands_is_what_the_path_carries() {
        let mut queueing = Queueing::default();
        queueing.add(0, 0, 1200);
        queueing.update(Micros::from_seconds(1));
        // Ten packets that left at once and come 10 ms apart, 960 kbit/s; told of in threes.
        let mut told = Vec::new();
        for packet in 1..=12 {
            queueing.add(packet * 10_000, 100_000 + packet * 10_000, 1200);
            if packet % 3 == 0 {
                queueing.update(Micros::from_seconds(1));
                told.push(queueing.throughput().map(|rate| (rate / 1000.0).round()));
            }
        }
        assert_eq!(
            told,
            [None, None, None, Some(960.0)],
            "a queue stands from the seventh on"
        );
        queueing.add(5_000, 300_000, 1200);
        queueing.update(Micros::from_seconds(1));
        assert_eq!(queueing.throughput(), None);
    }

    #[test]
    fn delays_at_the_ends_of_the_range_do_no_harm() {
        let mut queueing = Queueing::default();
        after(&mut queueing, &[i64::MIN, i64::MAX], 1);
        after(&mut queueing, &[i64::MAX], 2);
    }
}
