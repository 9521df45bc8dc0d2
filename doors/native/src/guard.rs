//! How much one connection may say, and how much nonsense.

use trefoil_room::Moment;

/// Limits for one connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GuardLimits {
    /// Messages a second, on average.
    pub messages_per_second: u32,
    /// Messages at once.
    pub burst: u32,
    /// So many dropped messages in a row end it.
    pub dropped_in_a_row: u32,
    /// So many malformed messages end it.
    pub malformed: u32,
}

impl Default for GuardLimits {
    fn default() -> Self {
        Self {
            messages_per_second: 100,
            burst: 200,
            dropped_in_a_row: 100,
            malformed: 10,
        }
    }
}

/// What to do with a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Obey it.
    Obey,
    /// Refuse it.
    Refuse,
    /// Refuse it and end the connection.
    End,
}

/// Counts what one connection says: a token bucket, and how often it broke the rules.
#[derive(Clone, Debug)]
pub struct Guard {
    limits: GuardLimits,
    /// What is left of the burst, in thousandths of a message.
    level: u64,
    filled: Moment,
    dropped: u32,
    malformed: u32,
}

impl Guard {
    /// A full bucket.
    #[must_use]
    pub fn new(limits: GuardLimits, now: Moment) -> Self {
        Self {
            limits,
            level: u64::from(limits.burst) * 1000,
            filled: now,
            dropped: 0,
            malformed: 0,
        }
    }

    /// A message or control frame arrived: whether it is within the rate.
    pub fn admit(&mut self, now: Moment) -> Verdict {
        let waited = u64::try_from(now.since(self.filled).as_millis()).unwrap_or(u64::MAX);
        // A millisecond gives as many thousandths as there may be messages a second.
        let gained = waited.saturating_mul(u64::from(self.limits.messages_per_second));
        self.level = self
            .level
            .saturating_add(gained)
            .min(u64::from(self.limits.burst) * 1000);
        self.filled = now;
        if let Some(left) = self.level.checked_sub(1000) {
            self.level = left;
            self.dropped = 0;
            return Verdict::Obey;
        }
        self.dropped += 1;
        if self.dropped >= self.limits.dropped_in_a_row {
            Verdict::End
        } else {
            Verdict::Refuse
        }
    }

    /// A ping or pong arrived: whether there were so many that the connection must end. Each is otherwise ignored.
    pub fn flood_of_control(&mut self, now: Moment) -> bool {
        self.admit(now) == Verdict::End
    }

    /// A message was malformed: whether that was once too often.
    pub fn malformed(&mut self) -> Verdict {
        self.malformed += 1;
        if self.malformed >= self.limits.malformed {
            Verdict::End
        } else {
            Verdict::Refuse
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FAULTS W06: 100 a second, bursts of 200, and the hundredth dropped in a row ends it.
    #[test]
    fn a_flood_is_dropped_and_then_ended() {
        let mut guard = Guard::new(GuardLimits::default(), Moment::from_millis(5));
        let now = Moment::from_millis(5);
        let verdicts: Vec<_> = (0..300).map(|_| guard.admit(now)).collect();
        assert!(verdicts[..200].iter().all(|verdict| *verdict == Verdict::Obey));
        assert!(
            verdicts[200..299]
                .iter()
                .all(|verdict| *verdict == Verdict::Refuse)
        );
        assert_eq!(verdicts[299], Verdict::End);
    }

    #[test]
    fn ten_milliseconds_give_one_message_more_and_a_pause_never_more_than_the_burst() {
        let mut guard = Guard::new(GuardLimits::default(), Moment::default());
        let obeyed = |guard: &mut Guard, at| {
            (0..250)
                .filter(|_| guard.admit(Moment::from_millis(at)) == Verdict::Obey)
                .count()
        };
        assert_eq!(obeyed(&mut guard, 0), 200);
        assert_eq!(obeyed(&mut guard, 9), 0);
        assert_eq!(obeyed(&mut guard, 10), 1);
        assert_eq!(obeyed(&mut guard, 1_000_000), 200);
    }

    #[test]
    fn whoever_keeps_the_rate_may_talk_for_ever() {
        let mut guard = Guard::new(GuardLimits::default(), Moment::default());
        assert!((0..10_000).all(|n| guard.admit(Moment::from_millis(n * 10)) == Verdict::Obey));
    }

    #[test]
    fn the_tenth_malformed_message_ends_it() {
        let mut guard = Guard::new(GuardLimits::default(), Moment::default());
        assert!((0..9).all(|_| guard.malformed() == Verdict::Refuse));
        assert_eq!(guard.malformed(), Verdict::End);
    }
}
