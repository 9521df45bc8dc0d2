//! How late packets come, and so how long to wait for them.
//!
//! The delay of a packet is when it came minus its timestamp, both in samples of 48 kHz: only differences mean something,
//! since the sender's clock began anywhere. What counts is the 95th percentile of the last seconds.

use std::collections::VecDeque;

/// Packets that are remembered: five seconds of the usual ones.
const REMEMBERED: usize = 256;
/// A new answer after so many packets; the first ones each change it.
const EVERY: u32 = 8;
/// Above the percentile: 5 ms, by which playing may be earlier than is wanted.
const MARGIN: i64 = 240;
/// Nobody waits less than 20 ms, and the same 5: so that what repeats a lost packet is there in time.
const LEAST: i64 = 1200;
/// Nor more than 300 ms: what comes later than that is lost.
const MOST: i64 = 14_400;
/// So many packets in a row that come later than anybody waits for have another path, or a sender who fell behind: what was
/// before does not count any more. Half a second.
const BEHIND: usize = 25;

/// The delays of one stream.
#[derive(Debug, Default)]
pub(crate) struct Delays {
    last: VecDeque<i64>,
    scratch: Vec<i64>,
    count: u32,
    /// Packets in a row that came too late.
    behind: usize,
    /// The least delay and the wanted one.
    found: Option<(i64, i64)>,
}

impl Delays {
    pub(crate) fn arrived(&mut self, delay: i64) {
        if self.last.len() == REMEMBERED {
            self.last.pop_front();
        }
        self.last.push_back(delay);
        self.count = self.count.wrapping_add(1);
        let late = self.target().is_some_and(|target| delay > target);
        self.behind = if late { self.behind + 1 } else { 0 };
        let another = self.behind >= BEHIND;
        if another {
            self.last.drain(..self.last.len() - BEHIND);
            self.behind = 0;
        }
        if another || self.last.len() <= 16 || self.count.is_multiple_of(EVERY) {
            self.found = self.find();
        }
    }

    fn find(&mut self) -> Option<(i64, i64)> {
        self.scratch.clear();
        self.scratch.extend(&self.last);
        let least = *self.scratch.iter().min()?;
        let at = (self.scratch.len() * 95 / 100).min(self.scratch.len() - 1);
        let (_, most, _) = self.scratch.select_nth_unstable(at);
        Some((least, (*most + MARGIN).max(least + LEAST).min(least + MOST)))
    }

    /// A sample should be heard when the clock shows its timestamp plus this.
    pub(crate) fn target(&self) -> Option<i64> {
        self.found.map(|(_, target)| target)
    }

    /// The delay of the fastest packet.
    pub(crate) fn least(&self) -> i64 {
        self.found.map_or(0, |(least, _)| least)
    }

    /// The delay of the packet that came last.
    pub(crate) fn newest(&self) -> Option<i64> {
        self.last.back().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(delays: impl IntoIterator<Item = i64>) -> i64 {
        let mut all = Delays::default();
        delays.into_iter().for_each(|delay| all.arrived(delay));
        all.target().unwrap()
    }

    #[test]
    fn a_clean_network_waits_20_ms_and_a_shaky_one_longer() {
        assert_eq!(target([7000; 100]), 8200);
        assert_eq!(target((0..200).map(|at| at % 100 * 48)), 95 * 48 + 240);
        assert_eq!(target((0..200).map(|at| at % 2 * 480_000)), 14_400);
    }

    #[test]
    fn a_path_that_has_become_slow_is_known_after_half_a_second() {
        assert_eq!(target([0; 256].into_iter().chain([48_000; 25])), 49_200);
        // A sender whose clock stands still for a fifth of the time is heard again and again.
        let (mut all, mut in_a_row, mut most) = (Delays::default(), 0, 0);
        for at in 0..1000 {
            let delay = at * 240;
            all.arrived(delay);
            let late = all.target().is_some_and(|target| delay > target);
            in_a_row = if late { in_a_row + 1 } else { 0 };
            most = most.max(in_a_row);
        }
        assert!(most < BEHIND, "{most} packets in a row are too late");
    }

    #[test]
    fn one_late_packet_in_a_hundred_does_not_count_and_old_ones_are_forgotten() {
        assert_eq!(target((0..200).map(|at| i64::from(at % 100 == 50) * 9600)), 1200);
        assert_eq!(target([9600; 300].into_iter().chain([0; 300])), 1200);
    }
}
