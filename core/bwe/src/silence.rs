//! Feedback that does not come: the estimate sinks until it does.

use std::time::Duration;

use crate::Micros;

/// Without transport-wide feedback for this time and a round trip, though packets were sent, the path may be gone.
const TRANSPORT_WIDE: Duration = Duration::from_secs(1);
/// Receiver reports may be five seconds apart.
const REPORTS: Duration = Duration::from_secs(8);
/// Between two cuts.
const PAUSE: Duration = Duration::from_millis(500);
/// So many packets must be unanswered, and the last of them so young.
const PACKETS: u32 = 5;
const YOUNG: Duration = Duration::from_secs(1);

/// Since when nothing was heard of what was sent.
#[derive(Debug)]
pub(crate) struct Silence {
    limit: Duration,
    unanswered_since: Option<Micros>,
    unanswered: u32,
    last_sent: Option<Micros>,
    next_cut: Micros,
    /// The estimate before the first cut.
    before: Option<f64>,
}

impl Silence {
    pub(crate) fn new() -> Silence {
        Silence {
            limit: REPORTS,
            unanswered_since: None,
            unanswered: 0,
            last_sent: None,
            next_cut: Micros::ZERO,
            before: None,
        }
    }

    pub(crate) fn sent(&mut self, now: Micros) {
        self.last_sent = Some(now);
        self.unanswered = self.unanswered.saturating_add(1);
        if self.unanswered_since.is_none() {
            self.unanswered_since = Some(now);
            self.next_cut = now + self.limit;
        }
    }

    /// Feedback came. Gives the estimate of before the silence, if there was one.
    pub(crate) fn heard(&mut self, transport_wide: bool, round_trip: Duration) -> Option<f64> {
        self.limit = if transport_wide {
            TRANSPORT_WIDE + round_trip
        } else {
            REPORTS
        };
        self.unanswered_since = None;
        self.unanswered = 0;
        self.before.take()
    }

    /// Whether anything was ever sent.
    pub(crate) fn has_begun(&self) -> bool {
        self.last_sent.is_some()
    }

    /// Whether the estimate is lowered now for want of feedback.
    pub(crate) fn is_on(&self) -> bool {
        self.before.is_some()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Micros> {
        self.unanswered_since.map(|_| self.next_cut)
    }

    /// Whether to lower `estimate` now.
    pub(crate) fn handle_timeout(&mut self, estimate: f64, now: Micros) -> bool {
        if self.unanswered_since.is_none() || now < self.next_cut {
            return false;
        }
        self.next_cut = now + PAUSE;
        if self.last_sent.is_none_or(|at| now.since(at) > YOUNG) {
            // The sender paused, so nothing is missing; the next packet starts the clock again.
            (self.unanswered_since, self.unanswered) = (None, 0);
            return false;
        }
        let enough = self.unanswered >= PACKETS;
        if enough {
            self.before.get_or_insert(estimate);
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(100);

    fn talking(until_millis: u64) -> Silence {
        let mut silence = Silence::new();
        silence.heard(true, ROUND_TRIP);
        (0..until_millis / 10).for_each(|packet| silence.sent(Micros::from_millis(packet * 10)));
        silence
    }

    #[test]
    fn the_estimate_is_cut_after_a_second_and_a_round_trip_and_then_twice_a_second() {
        let mut silence = talking(3000);
        let cut = |silence: &mut Silence, millis| silence.handle_timeout(1e6, Micros::from_millis(millis));
        assert_eq!(silence.poll_timeout(), Some(Micros::from_millis(1100)));
        let cuts = [1099, 1100, 1101, 1600, 2100].map(|millis| cut(&mut silence, millis));
        assert_eq!(cuts, [false, true, false, true, true]);
        assert!(silence.is_on());
    }

    #[test]
    fn the_end_of_silence_tells_what_the_estimate_was() {
        let mut silence = talking(3000);
        silence.handle_timeout(1e6, Micros::from_millis(1100));
        silence.handle_timeout(0.7e6, Micros::from_millis(1600));
        assert_eq!(silence.heard(true, ROUND_TRIP), Some(1e6));
        assert_eq!(silence.heard(true, ROUND_TRIP), None);
    }

    #[test]
    fn few_packets_or_old_ones_are_no_silence() {
        let mut few = talking(30);
        assert!(!few.handle_timeout(1e6, Micros::from_millis(1200)));
        let mut old = talking(500);
        assert!(!old.handle_timeout(1e6, Micros::from_millis(2000)));
        assert_eq!(old.poll_timeout(), None);
    }

    #[test]
    fn receiver_reports_may_be_far_apart() {
        let mut silence = Silence::new();
        (0..700).for_each(|packet| silence.sent(Micros::from_millis(packet * 10)));
        assert!(!silence.handle_timeout(1e6, Micros::from_millis(7000)));
        assert_eq!(silence.poll_timeout(), Some(Micros::from_seconds(8)));
    }
}
