//! Whether queueing delay grows: the trendline filter and its adaptive threshold (GCC section 4.2 to 4.4).

use crate::Micros;
use crate::groups::Group;

/// So many groups are looked at.
const WINDOW: usize = 20;
/// How much of the past the smoothed delay keeps.
const SMOOTHING: f64 = 0.9;
const GAIN: f64 = 4.0;
/// The slope counts fully from this many groups on.
const MOST_DELTAS: u32 = 60;
/// A queue must grow for so long before it counts.
const OVER_MILLIS: f64 = 10.0;
const THRESHOLD_START: f64 = 12.5;
const THRESHOLD_UP: f64 = 0.0087;
const THRESHOLD_DOWN: f64 = 0.039;
const THRESHOLD_RANGE: (f64, f64) = (6.0, 600.0);
/// A slope that is farther above the threshold is a spike, which the threshold does not follow.
const SPIKE: f64 = 15.0;

/// What the path does with what is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Usage {
    /// Queues are level.
    #[default]
    Normal,
    /// A queue grows.
    Over,
    /// A queue drains.
    Under,
}

/// The filter's state.
#[derive(Debug)]
pub(crate) struct TrendLine {
    /// (arrival, smoothed delay) in milliseconds, a ring.
    points: [(f64, f64); WINDOW],
    deltas: u32,
    first_arrival: i64,
    accumulated: f64,
    smoothed: f64,
    slope_before: f64,
    threshold: f64,
    threshold_at: Option<Micros>,
    over_for: f64,
    over_count: u32,
    usage: Usage,
}

impl TrendLine {
    pub(crate) fn new() -> TrendLine {
        TrendLine {
            points: [(0.0, 0.0); WINDOW],
            deltas: 0,
            first_arrival: 0,
            accumulated: 0.0,
            smoothed: 0.0,
            slope_before: 0.0,
            threshold: THRESHOLD_START,
            threshold_at: None,
            over_for: -1.0,
            over_count: 0,
            usage: Usage::Normal,
        }
    }

    pub(crate) fn usage(&self) -> Usage {
        self.usage
    }

    /// A group has arrived after another.
    pub(crate) fn update(&mut self, before: &Group, group: &Group, now: Micros) {
        let sent_delta = millis(group.last_sent.since(before.last_sent).as_micros() as i64);
        let arrival_delta = millis(group.last_arrival.saturating_sub(before.last_arrival));
        if self.deltas == 0 {
            self.first_arrival = group.last_arrival;
        }
        self.accumulated += arrival_delta - sent_delta;
        self.smoothed = SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * self.accumulated;
        let arrival = millis(group.last_arrival.saturating_sub(self.first_arrival));
        if let Some(point) = self.points.get_mut(self.deltas as usize % WINDOW) {
            *point = (arrival, self.smoothed);
        }
        self.deltas = self.deltas.saturating_add(1);
        let slope = if self.deltas as usize >= WINDOW {
            fit(&self.points).unwrap_or(self.slope_before)
        } else {
            self.slope_before
        };
        self.detect(slope, sent_delta, now);
    }

    fn detect(&mut self, slope: f64, sent_delta: f64, now: Micros) {
        let scaled = f64::from(self.deltas.min(MOST_DELTAS)) * slope * GAIN;
        if scaled > self.threshold {
            self.over_for = if self.over_for < 0.0 {
                sent_delta / 2.0
            } else {
                self.over_for + sent_delta
            };
            self.over_count += 1;
            if self.over_for > OVER_MILLIS && self.over_count > 1 && slope >= self.slope_before {
                (self.over_for, self.over_count) = (0.0, 0);
                self.usage = Usage::Over;
            }
        } else {
            (self.over_for, self.over_count) = (-1.0, 0);
            self.usage = if scaled < -self.threshold {
                Usage::Under
            } else {
                Usage::Normal
            };
        }
        self.slope_before = slope;
        self.adapt(scaled.abs(), now);
    }

    fn adapt(&mut self, scaled: f64, now: Micros) {
        let elapsed = self
            .threshold_at
            .map_or(0.0, |at| now.since(at).as_secs_f64() * 1000.0);
        self.threshold_at = Some(now);
        if scaled > self.threshold + SPIKE {
            return;
        }
        let gain = if scaled < self.threshold {
            THRESHOLD_DOWN
        } else {
            THRESHOLD_UP
        };
        self.threshold += gain * (scaled - self.threshold) * elapsed.min(100.0);
        self.threshold = self.threshold.clamp(THRESHOLD_RANGE.0, THRESHOLD_RANGE.1);
    }
}

fn millis(micros: i64) -> f64 {
    micros as f64 / 1000.0
}

/// The slope of the line with the least squares; `None` if all points have one time.
fn fit(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let above = points
        .iter()
        .map(|(x, y)| (x - mean_x) * (y - mean_y))
        .sum::<f64>();
    let below = points
        .iter()
        .map(|(x, _)| (x - mean_x) * (x - mean_x))
        .sum::<f64>();
    (below > f64::EPSILON).then(|| above / below)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups each 10 ms; each arrives by `grows` microseconds later than the one before.
    fn usages(line: &mut TrendLine, from: u64, count: u64, grows: i64) -> Vec<Usage> {
        let group = |index: u64| Group {
            first_sent: Micros(index * 10_000),
            last_sent: Micros(index * 10_000),
            first_arrival: 0,
            last_arrival: index as i64 * (10_000 + grows),
            bytes: 1200,
        };
        (from + 1..=from + count)
            .map(|index| {
                line.update(&group(index - 1), &group(index), Micros(index * 10_000));
                line.usage()
            })
            .collect()
    }

    #[test]
    fn level_delay_is_normal_and_growing_delay_is_overuse_within_300_ms() {
        let mut line = TrendLine::new();
        assert!(
            usages(&mut line, 0, 100, 0)
                .iter()
                .all(|usage| *usage == Usage::Normal)
        );
        let grown = usages(&mut line, 100, 30, 1500);
        assert!(grown.contains(&Usage::Over), "{grown:?}");
    }

    #[test]
    fn a_draining_queue_is_underuse() {
        let mut line = TrendLine::new();
        usages(&mut line, 0, 100, 1000);
        assert_eq!(usages(&mut line, 100, 60, -2000).last(), Some(&Usage::Under));
    }

    #[test]
    fn a_clock_that_drifts_by_a_hundred_millionths_is_no_queue() {
        let mut line = TrendLine::new();
        assert!(
            usages(&mut line, 0, 10_000, 1)
                .iter()
                .all(|usage| *usage == Usage::Normal)
        );
    }
}
