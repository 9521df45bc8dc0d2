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
