//! What mixing costs: CPU for each participant and frame of 20 ms, for each row of the table that Janus was measured with.

#[path = "../../../io/codec/tests/sound/mod.rs"]
mod sound;

mod codecs;
mod cpu;
mod load;
mod room;

use std::io::Write;

use anyhow::Context;
use room::{Cost, Rooms, Scenario};

/// What a packet costs outside the mixer, assumed until the whole server is measured: plain UDP, in and out.
const PACKET_US: [f64; 2] = [0.4, 1.0];

const SCENARIOS: [Scenario; 14] = [
    Scenario::new("100 in a room, 3 talk", 1, 100, 3, 3).goal(2000),
    Scenario::new("100 in a room, 3 talk, without levels", 1, 100, 3, 3)
        .goal(2000)
        .without_levels(),
    Scenario::new(
        "100 in a room, 3 talk without the noise around them",
        1,
        100,
        3,
        3,
    )
    .without_noise(),
    Scenario::new("50 in a room, 3 talk", 1, 50, 3, 3).goal(1300),
    Scenario::new("10 rooms of 10, 2 talk each", 10, 10, 2, 3).goal(400),
    Scenario::new("100 in a room, all talk at once, no cap", 1, 100, 100, usize::MAX).goal(115),
    Scenario::new("100 in a room, all talk at once, 3 heard", 1, 100, 100, 3).goal(2000),
    Scenario::new("the same, without levels", 1, 100, 100, 3)
        .goal(2000)
        .without_levels(),
    Scenario::new("1 talks of 100", 1, 100, 1, 3).goal(4000),
    Scenario::new("1 talks of 100, never passed on", 1, 100, 1, 3).encoded(),
    Scenario::new("25 rooms of 4, 1 talks each", 25, 4, 1, 3),
    Scenario::new("500 in a room, 5 talk", 1, 500, 5, 5),
    Scenario::new("20 rooms of 5, all talk", 20, 5, 5, 5),
    Scenario::new("100 in a room, silent microphones", 1, 100, 0, 3).silent_packets(),
];

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if(|word| word == "load").is_some() {
        let rest: Vec<_> = arguments.collect();
        writeln!(std::io::stdout(), "{}", load::run(&rest)?)?;
        return Ok(());
    }
    let mut number = |default: usize| arguments.next().map_or(Ok(default), |text| text.parse());
    let rounds = number(3)
        .context("the first argument is the number of rounds")?
        .max(1);
    let seconds = number(10)
        .context("the second argument is the length in seconds")?
        .max(1);
    let only = arguments.next().unwrap_or_default();
    let mut out = std::io::stdout().lock();
    codecs::compare(&mut out)?;
    writeln!(
        out,
        "\n| case | us a participant and frame | participants a core | with {PACKET_US:?} us a packet in, out | goal | groups | heard |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|")?;
    let said = room::packets();
    for scenario in SCENARIOS.iter().filter(|scenario| scenario.name.contains(&only)) {
        let mut costs = Vec::new();
        for _ in 0..rounds {
            costs.push(Rooms::new(scenario, &said).run(seconds)?);
        }
        costs.sort_by(|a, b| a.microseconds.total_cmp(&b.microseconds));
        let median = costs.get(rounds / 2).context("there is at least one round")?;
        line(&mut out, scenario, median)?;
    }
    let idle = room::idle(5000);
    writeln!(out, "\n5,000 idle rooms: {idle} deadlines")?;
    Ok(())
}

fn line(out: &mut impl Write, scenario: &Scenario, cost: &Cost) -> anyhow::Result<()> {
    let [incoming, outgoing] = PACKET_US;
    let all = cost.microseconds + cost.packets_in * incoming + cost.packets_out * outgoing;
    let goal = scenario.goal.map_or("-".to_owned(), |goal| goal.to_string());
    writeln!(
        out,
        "| {} | {:.2} | {:.0} | {:.0} | {goal} | {} | {:.0} dB |",
        scenario.name,
        cost.microseconds,
        20_000.0 / cost.microseconds.max(1e-3),
        20_000.0 / all.max(1e-3),
        cost.groups,
        cost.heard,
    )?;
    Ok(())
}
