//! Figures of bandwidth estimation on imaginary links, and a picture of them.

mod picture;

use std::io::Write;

use anyhow::Context;
use trefoil_testkit::{CALL_SCENARIOS, CallScenario, CallWorld, Seed};

/// One line of the table.
struct Figures {
    /// Seconds until the estimate is at 85 % after the last change, if ever.
    reaches: f64,
    utilisation: f64,
    queue_95: f64,
    loss: f64,
    overshoot: f64,
    padding: f64,
}

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let seeds: u64 = arguments.next().map_or(Ok(5), |text| text.parse()).context("seeds")?;
    let file = arguments.next().unwrap_or_else(|| "rates.svg".to_owned());
    let only = arguments.next().unwrap_or_default();
    let mut out = std::io::stdout().lock();
    writeln!(out, "| scenario | 85 % after | utilisation | queue, 95 % | loss | highest estimate | padding |")?;
    writeln!(out, "|---|---|---|---|---|---|---|")?;
    let mut worlds = Vec::new();
    for scenario in CALL_SCENARIOS.iter().filter(|scenario| scenario.name.contains(&only)) {
        let mut all = Vec::new();
        let only_seed: Option<u64> = std::env::var("SEED").ok().map(|s| s.parse().unwrap());
        for seed in only_seed.unwrap_or(1)..=only_seed.unwrap_or(seeds) {
            let world = (scenario.world)(Seed::new(seed)).run_until(scenario.seconds);
            all.push(figures(scenario, &world));
            if seed == only_seed.unwrap_or(1) {
                worlds.push((scenario.name, world));
            }
        }
        writeln!(out, "{}", line(scenario.name, &all))?;
        if std::env::var("WORST").is_ok() { worst(&mut out, scenario, seeds)?; }
    }
    std::fs::write(&file, picture::draw(&worlds)).with_context(|| file.clone())?;
    Ok(())
}

fn figures(scenario: &CallScenario, world: &CallWorld) -> Figures {
    let during = scenario.settled..scenario.seconds;
    let calls = world.calls().len();
    let last = calls - 1;
    Figures {
        reaches: world.seconds_until(last, scenario.changes, 0.85 / calls as f64).unwrap_or(f64::INFINITY),
        utilisation: (0..calls).map(|call| world.utilisation(call, during.clone())).sum(),
        queue_95: world.queue_95(0, during.clone()).as_secs_f64() * 1000.0,
        loss: world.loss(0, during.clone()) * 100.0,
        overshoot: world.overshoot(0, during),
        padding: world.calls()[0].padding_bytes() as f64 * 8.0 / scenario.seconds as f64 / 1000.0,
    }
}

fn line(name: &str, all: &[Figures]) -> String {
    let of = |pick: fn(&Figures) -> f64| {
        let mut sorted: Vec<_> = all.iter().map(pick).collect();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    };
    let reaches = of(|figures| figures.reaches);
    let reaches = if reaches.is_finite() { format!("{reaches:.1} s") } else { "never".to_owned() };
    format!(
        "| {name} | {reaches} | {:.0} % | {:.0} ms | {:.1} % | {:.2} times | {:.0} kbit/s |",
        of(|figures| figures.utilisation) * 100.0,
        of(|figures| figures.queue_95),
        of(|figures| figures.loss),
        of(|figures| figures.overshoot),
        of(|figures| figures.padding),
    )
}

fn worst(out: &mut impl Write, scenario: &CallScenario, seeds: u64) -> anyhow::Result<()> {
    let mut w = (0.0f64, 1.0f64, 0.0f64, 0.0f64, 1.0f64);
    let mut js = vec![];
    for seed in 1..=seeds {
        let world = (scenario.world)(Seed::new(seed)).run_until(scenario.seconds);
        let f = figures(scenario, &world);
        eprintln!("seed {seed} reaches {:.1} util {:.2} queue {:.0} {:.2}", f.reaches, f.utilisation, f.queue_95, f.overshoot);
        eprintln!("loss {:.1}", f.loss);     w.0 = w.0.max(f.reaches); w.1 = w.1.min(f.utilisation); w.2 = w.2.max(f.queue_95); w.3 = w.3.max(f.overshoot);
        if world.calls().len() == 2 {
            let a = world.utilisation(0, scenario.settled..scenario.seconds);
            let b = world.utilisation(1, scenario.settled..scenario.seconds);
            js.push((a + b) * (a + b) / 2.0 / (a * a + b * b));
        }
    }
    js.sort_by(f64::total_cmp);
    write!(out, "|    worst | {:.1} s | {:.0} % | {:.0} ms | | {:.2} |", w.0, w.1 * 100.0, w.2, w.3)?;
    if !js.is_empty() { write!(out, " jain {:.2} {:.2} {:.2}", js[0], js[js.len() / 5], js[js.len() / 2])?; }
    writeln!(out)?;
    Ok(())
}
