//! How many bits a second something has been lately.

use std::time::Duration;

/// A window is closed after this; the rate is an average over windows that forgets half with each.
const WINDOW: Duration = Duration::from_millis(500);
/// Nothing for this long is a rate of zero.
const SILENCE: Duration = Duration::from_millis(2500);

/// Bits a second, over about the last second.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meter {
    began: Duration,
    last: Duration,
    bytes: u64,
    rate: u64,
}

impl Meter {
    pub(crate) fn add(&mut self, bytes: usize, now: Duration) {
        if now.saturating_sub(self.last) > SILENCE {
            *self = Self {
                began: now,
                ..Self::default()
            };
        }
        self.last = now;
        let open = now.saturating_sub(self.began);
        if open >= WINDOW {
            let measured =
                self.bytes * 8 * 1_000_000 / u64::try_from(open.as_micros()).unwrap_or(u64::MAX).max(1);
            self.rate = if self.rate == 0 {
                measured
            } else {
                u64::midpoint(self.rate, measured)
            };
            (self.began, self.bytes) = (now, 0);
        }
        self.bytes += bytes as u64;
    }

    /// Zero until a window has passed, and after a silence.
    pub(crate) fn bits_per_second(&self, now: Duration) -> u64 {
        if self.is_silent(now) { 0 } else { self.rate }
    }

    /// What it was when it was last heard.
    pub(crate) const fn last_known(&self) -> u64 {
        self.rate
    }

    pub(crate) fn is_silent(&self, now: Duration) -> bool {
        self.last == Duration::ZERO || now.saturating_sub(self.last) > SILENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_flow_is_measured_and_a_silence_is_zero() {
        let mut meter = Meter::default();
        let mut now = Duration::from_secs(1);
        for _ in 0..300 {
            meter.add(1250, now);
            now += Duration::from_millis(10);
        }
        let rate = meter.bits_per_second(now);
        assert!((950_000..=1_050_000).contains(&rate), "{rate}");
        assert_eq!(meter.bits_per_second(now + Duration::from_secs(3)), 0);
        assert!(meter.last_known() > 0);
    }
}
