//! The fallback where there is no transport-wide feedback: receiver reports (loss) and REMB.

use std::time::Duration;

use crate::Micros;

/// Below this loss the rate grows; above the other it sinks (GCC section 6).
const LOW: f64 = 0.02;
const HIGH: f64 = 0.10;
/// Growth with each report, at most once in this time.
const GROWTH: f64 = 1.08;
const PAUSE: Duration = Duration::from_secs(1);
/// A REMB that was not repeated for this time bounds nothing: who receives repeats it, and who is sent nothing cannot.
const FRESH: Duration = Duration::from_secs(4);
/// Receivers count payloads, and no more than they were sent; we count whole packets, of which one may be a little longer
/// than the last. Without these a stream that is all that was sent never fits into what its receiver says of it.
const HEADERS: f64 = 1.1;
const HEADERS_LEAST: f64 = 40_000.0;

/// A rate by the rules of GCC's loss-based controller, and the receiver's bound.
#[derive(Debug)]
pub(crate) struct Reports {
    rate: f64,
    loss: f64,
    grown: Micros,
    remb: Option<(f64, Micros)>,
}

impl Reports {
    pub(crate) fn new(start: f64) -> Reports {
        Reports {
            rate: start,
            loss: 0.0,
            grown: Micros::ZERO,
            remb: None,
        }
    }

    pub(crate) fn rate(&self) -> f64 {
        self.rate
    }

    /// Whether loss keeps the rate from growing.
    pub(crate) fn is_lossy(&self) -> bool {
        self.loss >= LOW
    }

    /// Whether loss lowers the rate.
    pub(crate) fn falling(&self) -> bool {
        self.loss > HIGH
    }

    /// The receiver's bound, if it is fresh.
    pub(crate) fn bound(&self, now: Micros) -> Option<f64> {
        let fresh = self.remb.filter(|(_, at)| now.since(*at) < FRESH);
        fresh.map(|(bitrate, _)| bitrate)
    }

    /// The rate follows the estimate that transport-wide feedback gives, as long as there is some.
    pub(crate) fn follow(&mut self, rate: f64) {
        self.rate = rate;
    }

    pub(crate) fn report(&mut self, loss: f64, most: f64, now: Micros) {
        self.loss = loss;
        if loss > HIGH {
            self.rate *= 1.0 - 0.5 * loss;
        } else if loss < LOW && now.since(self.grown) >= PAUSE {
            self.grown = now;
            self.rate = (self.rate * GROWTH + 1000.0).min(most);
        }
    }

    pub(crate) fn remb(&mut self, bitrate: f64, now: Micros) {
        let bitrate = bitrate * HEADERS + HEADERS_LEAST;
        self.remb = Some((bitrate, now));
        if self.loss < HIGH {
            self.rate = self.rate.max(bitrate);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_happens_once_a_second_however_many_reports_come() {
        let mut reports = Reports::new(100_000.0);
        for report in 0..100 {
            reports.report(0.0, 1e6, Micros::from_millis(10_000 + report));
        }
        assert!((reports.rate() - 109_000.0).abs() < 1.0, "{}", reports.rate());
    }

    #[test]
    fn a_remb_is_not_followed_upwards_while_much_is_lost() {
        let mut reports = Reports::new(100_000.0);
        reports.report(0.5, 1e6, Micros::from_seconds(10));
        reports.remb(900_000.0, Micros::from_seconds(10));
        assert!((reports.rate() - 75_000.0).abs() < 1.0, "{}", reports.rate());
    }

    #[test]
    fn a_remb_of_four_seconds_ago_bounds_nothing() {
        let mut reports = Reports::new(100_000.0);
        reports.remb(50_000.0, Micros::from_seconds(10));
        assert!(reports.bound(Micros::from_millis(13_900)).is_some());
        assert_eq!(reports.bound(Micros::from_seconds(14)), None);
    }

    /// Seen with aiortc: 28 kbit/s with all headers, of which it says 24, so that nothing more was sent and nothing more said.
    #[test]
    fn a_stream_fits_into_what_its_receiver_says_of_it() {
        for (whole, payloads) in [(28_000.0, 24_072.0), (500_000.0, 470_000.0)] {
            let mut reports = Reports::new(5_000_000.0);
            reports.remb(payloads, Micros::from_seconds(10));
            assert!(
                reports
                    .bound(Micros::from_seconds(11))
                    .is_some_and(|bound| bound > whole)
            );
        }
    }
}
