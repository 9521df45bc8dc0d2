//! How fast the application sends, probes and padding apart.

use std::time::Duration;

use crate::Micros;

const SPAN: Duration = Duration::from_millis(500);

/// Bytes in the half second under way, and the rate of the one before.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    since: Micros,
    bytes: u64,
    rate: f64,
}

impl Meter {
    pub(crate) fn add(&mut self, bytes: usize, now: Micros) {
        let elapsed = now.since(self.since);
        if elapsed >= SPAN {
            self.rate = self.bytes as f64 * 8.0 / elapsed.as_secs_f64();
            (self.since, self.bytes) = (now, 0);
        }
        self.bytes += bytes as u64;
    }

    /// Bits per second, half a second to a second ago.
    pub(crate) fn rate(&self) -> f64 {
        self.rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_half_second() {
        let mut meter = Meter::default();
        for packet in 0..200 {
            let bytes = if packet < 100 { 1250 } else { 125 };
            meter.add(bytes, Micros::from_millis(packet * 10));
            if packet == 99 {
                assert!((0.9e6..1.1e6).contains(&meter.rate()), "{}", meter.rate());
            }
        }
        assert!((0.09e6..0.11e6).contains(&meter.rate()), "{}", meter.rate());
    }
}
