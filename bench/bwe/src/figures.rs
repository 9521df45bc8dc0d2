//! The figures of one scenario, and how several seeds make one line.

use trefoil_testkit::{CallScenario, CallWorld};

pub(crate) const HEAD: &str = "\
| scenario | 85 % after | utilisation | queue, 95 % | loss | highest estimate | padding |
|---|---|---|---|---|---|---|";

/// What is seen of the calls of one world.
pub(crate) struct Figures {
    /// Seconds from the last change until the last call's estimate is at 85 % of its share.
    reaches: f64,
    /// What arrived of all calls, as a share of what was free.
    utilisation: f64,
    /// Milliseconds.
    queue_95: f64,
    loss: f64,
    /// As a multiple of what was free.
    highest: f64,
    /// Kilobits per second.
    padding: f64,
}

impl Figures {
    pub(crate) fn of(scenario: &CallScenario, world: &CallWorld) -> Figures {
        let settled = || scenario.settled..scenario.seconds;
        let calls = world.calls().len();
        let reaches = world.seconds_until(calls - 1, scenario.changes, 0.85 / calls as f64);
        let padding: u64 = world.calls().iter().map(|call| call.padding_bytes()).sum();
        Figures {
            reaches: reaches.unwrap_or(f64::INFINITY),
            utilisation: (0..calls).map(|call| world.utilisation(call, settled())).sum(),
            queue_95: world.queue_95(0, settled()).as_secs_f64() * 1000.0,
            loss: world.loss(0, settled()),
            highest: world.overshoot(0, settled()),
            padding: padding as f64 * 8.0 / (scenario.seconds * 1000 * calls as u64) as f64,
        }
    }
}

/// The medians, and in parentheses the worst where it matters.
pub(crate) fn line(all: &[Figures]) -> String {
    let sorted = |pick: fn(&Figures) -> f64| {
        let mut figures: Vec<_> = all.iter().map(pick).collect();
        figures.sort_by(f64::total_cmp);
        figures
    };
    let median = |pick| sorted(pick)[all.len() / 2];
    let worst = |pick| sorted(pick)[all.len() - 1];
    format!(
        "| {:.1} s ({:.1}) | {:.0} % ({:.0}) | {:.0} ms ({:.0}) | {:.1} % | {:.2} | {:.0} kbit/s |",
        median(|figures| figures.reaches),
        worst(|figures| figures.reaches),
        median(|figures| figures.utilisation) * 100.0,
        sorted(|figures| figures.utilisation)[0] * 100.0,
        median(|figures| figures.queue_95),
        worst(|figures| figures.queue_95),
        median(|figures| figures.loss) * 100.0,
        median(|figures| figures.highest),
        median(|figures| figures.padding),
    )
}
