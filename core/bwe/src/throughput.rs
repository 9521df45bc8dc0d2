//! How fast what was sent has arrived.

use std::time::Duration;

use crate::groups::Group;

const POINTS: usize = 64;
/// Groups that left within this time are one point.
const TOGETHER_MICROS: u64 = 10_000;

#[derive(Clone, Copy, Debug, Default)]
struct Point {
    first_sent: u64,
    sent: u64,
    arrival: i64,
    bytes: u32,
}

/// A sender that paused for so long has not filled the path: what it sent before tells nothing of what comes after.
const PAUSED_MICROS: u64 = 150_000;

/// The last 64 points, which is 0.6 seconds or more.
#[derive(Debug)]
pub(crate) struct Throughput {
    ring: [Point; POINTS],
    next: usize,
    len: usize,
}

impl Throughput {
    pub(crate) fn new() -> Throughput {
        Throughput {
            ring: [Point::default(); POINTS],
            next: 0,
            len: 0,
        }
    }

    pub(crate) fn add(&mut self, group: &Group) {
        if let Some(newest) = self.newest()
            && group.last_sent.0.saturating_sub(newest.first_sent) < TOGETHER_MICROS
        {
            newest.sent = group.last_sent.0;
            newest.arrival = newest.arrival.max(group.last_arrival);
            newest.bytes = newest.bytes.saturating_add(group.bytes);
            return;
        }
        if let Some(place) = self.ring.get_mut(self.next) {
            *place = Point {
                first_sent: group.first_sent.0,
                sent: group.last_sent.0,
                arrival: group.last_arrival,
                bytes: group.bytes,
            };
        }
        self.next = (self.next + 1) % POINTS;
        self.len = (self.len + 1).min(POINTS);
    }

    /// Bits per second over the last `window` or a little more: the slower of how it left and how it arrived, since a
    /// pile that comes out at once arrives faster than the path is. `None` if too little arrived lately.
    pub(crate) fn rate(&self, window: Duration) -> Option<f64> {
        let window = i64::try_from(window.as_micros()).unwrap_or(i64::MAX);
        let newest = self.back(0)?;
        let mut oldest = newest;
        let mut bytes = 0_u64;
        for point in (1..self.len).map_while(|steps| self.back(steps)) {
            let span = newest.arrival.saturating_sub(point.arrival);
            let paused = oldest.first_sent.saturating_sub(point.sent) > PAUSED_MICROS;
            if span > window * 3 || paused {
                break;
            }
            bytes += u64::from(oldest.bytes);
            oldest = point;
            if span >= window {
                break;
            }
        }
        let arrived = newest.arrival.saturating_sub(oldest.arrival);
        let left = i64::try_from(newest.sent.saturating_sub(oldest.sent)).unwrap_or(i64::MAX);
        let span = arrived.max(left);
        (arrived >= window / 3).then(|| bytes as f64 * 8e6 / span as f64)
    }

    pub(crate) fn forget(&mut self) {
        self.len = 0;
    }

    fn newest(&mut self) -> Option<&mut Point> {
        let place = (self.next + POINTS - 1) % POINTS;
        self.ring.get_mut(place).filter(|_| self.len > 0)
    }

    /// The point so many before the newest.
    fn back(&self, steps: usize) -> Option<Point> {
        if steps >= self.len {
            return None;
        }
        self.ring
            .get((self.next + 2 * POINTS - 1 - steps) % POINTS)
            .copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Micros;

    fn group(sent: u64, arrival: i64, bytes: u32) -> Group {
        Group {
            first_sent: Micros(sent),
            last_sent: Micros(sent),
            first_arrival: arrival,
            last_arrival: arrival,
            bytes,
        }
    }

    const HALF: Duration = Duration::from_millis(500);

    #[test]
    fn a_steady_flow_has_its_rate() {
        let mut throughput = Throughput::new();
        assert_eq!(throughput.rate(HALF), None);
        for index in 0..500_u64 {
            throughput.add(&group(index * 10_000, index as i64 * 10_000, 1250));
        }
        assert!((throughput.rate(HALF).unwrap() - 1e6).abs() < 1.0);
    }

    #[test]
    fn a_pile_that_comes_out_at_once_is_not_taken_for_a_fast_path() {
        let mut throughput = Throughput::new();
        for index in 0..100_u64 {
            throughput.add(&group(index * 10_000, 1_000_000 + index as i64 * 2_000, 1250));
        }
        assert!((throughput.rate(Duration::from_millis(100)).unwrap() - 1e6).abs() < 1.0);
    }

    #[test]
    fn a_pause_of_the_sender_is_no_lack_of_the_path() {
        let mut throughput = Throughput::new();
        for index in (0..20_u64).chain(60..80) {
            throughput.add(&group(index * 10_000, index as i64 * 10_000, 1250));
        }
        assert!((throughput.rate(HALF).unwrap() - 1e6).abs() < 1.0);
    }

    #[test]
    fn what_arrived_before_a_long_gap_does_not_count() {
        let mut throughput = Throughput::new();
        throughput.add(&group(0, 0, 1250));
        throughput.add(&group(9_000_000, 9_000_000, 1250));
        assert_eq!(throughput.rate(HALF), None);
    }
}
