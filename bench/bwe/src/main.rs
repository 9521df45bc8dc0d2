//! Figures of bandwidth estimation on imaginary links, a picture of them, and what a packet costs.

mod cost;
mod figures;
mod picture;

use std::io::Write;

use anyhow::Context;
use figures::Figures;
use trefoil_testkit::{CALL_SCENARIOS, Seed};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let seeds: u64 = arguments
        .next()
        .map_or(Ok(5), |text| text.parse())
        .context("the first argument is the number of seeds")?;
    let file = arguments.next().unwrap_or_else(|| "rates.svg".to_owned());
    let only = arguments.next().unwrap_or_default();
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", figures::HEAD)?;
    let mut drawn = Vec::new();
    for scenario in CALL_SCENARIOS.iter().filter(|scenario| scenario.name.contains(&only)) {
        let run = |seed| (scenario.world)(Seed::new(seed)).run_until(scenario.seconds);
        let worlds: Vec<_> = (1..=seeds.max(1)).map(run).collect();
        let all: Vec<_> = worlds.iter().map(|world| Figures::of(scenario, world)).collect();
        writeln!(out, "| {} {}", scenario.name, figures::line(&all))?;
        drawn.extend(worlds.into_iter().take(1).map(|world| (scenario.name, world)));
    }
    std::fs::write(&file, picture::draw(&drawn)).with_context(|| file.clone())?;
    writeln!(out, "\n{}", cost::measure())?;
    Ok(())
}
