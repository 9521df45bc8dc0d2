//! The only place that asks what time it is.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A clock that was started once.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// Starts at zero.
    #[must_use]
    pub fn start() -> Clock {
        Clock {
            start: Instant::now(),
        }
    }

    /// How long ago the clock was started; never runs backwards.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// The moment at which so much had elapsed, for engines that count in instants.
    #[must_use]
    pub fn instant_at(&self, elapsed: Duration) -> Instant {
        self.start + elapsed
    }

    /// How much will have elapsed at this moment.
    #[must_use]
    pub fn elapsed_at(&self, instant: Instant) -> Duration {
        instant.saturating_duration_since(self.start)
    }

    /// Seconds since 1970.
    #[must_use]
    pub fn unix_seconds() -> u64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs())
    }
}

/// Turns off, for this thread, the kernel's habit of rounding sleeps up by 50 us.
pub fn sleep_precisely() {
    // SAFETY: PR_SET_TIMERSLACK takes one integer and changes only this thread.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1_000) };
}

/// Sleeps for so long.
pub fn nap(length: Duration) {
    std::thread::sleep(length);
}
