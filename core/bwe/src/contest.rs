//! Whether the queue is somebody else's: it is if it stays although the rate was lowered.

use std::time::Duration;

use crate::Micros;

/// A decrease shows its effect after a round trip and this time.
const EFFECT: Duration = Duration::from_millis(700);
/// A queue that has this share of its length before is no shorter.
const AS_LONG: f64 = 0.7;
/// A queue shorter than this is nobody's.
const SHORT: Duration = Duration::from_millis(50);

/// A decrease whose effect is awaited, and what the last one showed.
#[derive(Debug, Default)]
pub(crate) struct Contest {
    awaited: Option<(Micros, Duration)>,
    in_vain: bool,
}

impl Contest {
    /// Whether yielding is in vain: then the detector keeps its threshold, so that a call is not starved by a flow that
    /// fills queues until they overflow.
    pub(crate) fn is_in_vain(&self) -> bool {
        self.in_vain
    }

    /// The rate was lowered, because of a queue of this length.
    pub(crate) fn lowered(&mut self, queue: Duration, now: Micros) {
        self.awaited.get_or_insert((now, queue));
    }

    /// A feedback tells how long the queue is.
    pub(crate) fn update(&mut self, queue: Duration, round_trip: Duration, now: Micros) {
        if queue < SHORT {
            *self = Contest::default();
        }
        if let Some((_, before)) = self
            .awaited
            .take_if(|(at, _)| now.since(*at) > round_trip + EFFECT)
        {
            self.in_vain = queue.as_secs_f64() > before.as_secs_f64() * AS_LONG;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(100);

    /// Lowers at a queue of 200 ms, and sees another after a second.
    fn after(contest: &mut Contest, second: u64, queue_millis: u64) -> bool {
        let now = Micros::from_seconds(second);
        contest.lowered(Duration::from_millis(200), now);
        contest.update(Duration::from_millis(200), ROUND_TRIP, now);
        let later = now + Duration::from_secs(1);
        contest.update(Duration::from_millis(queue_millis), ROUND_TRIP, later);
        contest.is_in_vain()
    }

    #[test]
    fn a_queue_that_stays_is_somebody_elses() {
        let mut contest = Contest::default();
        assert!(after(&mut contest, 1, 190));
        assert!(!after(&mut contest, 3, 100));
        assert!(after(&mut contest, 5, 180));
        contest.update(Duration::from_millis(10), ROUND_TRIP, Micros::from_seconds(7));
        assert!(!contest.is_in_vain());
    }
}
