//! Rates over time as SVG: one small picture for each scenario.

use std::fmt::Write;
use std::time::Duration;

use trefoil_testkit::{CallWorld, SAMPLE};

const WIDE: f64 = 380.0;
const HIGH: f64 = 150.0;
const COLUMNS: usize = 3;
const COLOURS: [&str; 2] = ["#1f6feb", "#c2410c"];

/// A picture of all worlds: free capacity grey, what is sent pale, the estimate strong; one colour for each call.
pub(crate) fn draw(worlds: &[(&str, CallWorld)]) -> String {
    let rows = worlds.len().div_ceil(COLUMNS);
    let (wide, high) = (WIDE * COLUMNS as f64, HIGH * rows as f64);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide} {high}\" font-family=\"sans-serif\" font-size=\"10\">\n\
         <rect width=\"{wide}\" height=\"{high}\" fill=\"#fff\"/>\n"
    );
    for (index, (name, world)) in worlds.iter().enumerate() {
        let (x, y) = ((index % COLUMNS) as f64 * WIDE, (index / COLUMNS) as f64 * HIGH);
        let _ = writeln!(svg, "<g transform=\"translate({x},{y})\">{}</g>", panel(name, world));
    }
    svg + "</svg>\n"
}

fn panel(name: &str, world: &CallWorld) -> String {
    let (left, top, wide, high) = (34.0, 18.0, WIDE - 44.0, HIGH - 36.0);
    let seconds = world.calls()[0].samples().len() as f64 * SAMPLE.as_secs_f64();
    let free: Vec<_> = world.samples(0, 0..u64::MAX).map(|(at, _)| (at, world.free(at) as f64)).collect();
    let most = free.iter().map(|(_, rate)| *rate).fold(0.0, f64::max) * 1.4;
    let place = |at: Duration, rate: f64| {
        let x = left + at.as_secs_f64() / seconds * wide;
        format!("{x:.1},{:.1}", top + high - (rate / most).min(1.0) * high)
    };
    let line = |points: &[(Duration, f64)], style: &str| {
        let points: Vec<_> = points.iter().map(|(at, rate)| place(*at, *rate)).collect();
        format!("<polyline fill=\"none\" {style} points=\"{}\"/>", points.join(" "))
    };
    let mut svg = format!(
        "<text x=\"{left}\" y=\"12\">{name}</text>\
         <text x=\"2\" y=\"{:.0}\">{:.1}M</text><text x=\"{left}\" y=\"{:.0}\">0 s</text>\
         <text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{seconds:.0} s</text>",
        top + 8.0, most / 1e6, HIGH - 6.0, left + wide, HIGH - 6.0
    );
    svg += &line(&free, "stroke=\"#999\" stroke-width=\"1.5\"");
    for (call, colour) in (0..world.calls().len()).zip(COLOURS.iter().cycle()) {
        let samples: Vec<_> = world.samples(call, 0..u64::MAX).collect();
        let sent: Vec<_> = samples
            .chunks(5)
            .map(|chunk| {
                let bytes: u64 = chunk.iter().map(|(_, sample)| sample.sent).sum();
                (chunk[0].0, bytes as f64 * 8.0 / (SAMPLE.as_secs_f64() * chunk.len() as f64))
            })
            .collect();
        let estimate: Vec<_> = samples.iter().step_by(2).map(|(at, sample)| (*at, sample.estimate as f64)).collect();
        svg += &line(&sent, &format!("stroke=\"{colour}\" stroke-opacity=\"0.35\""));
        svg += &line(&estimate, &format!("stroke=\"{colour}\" stroke-width=\"1.2\""));
    }
    svg
}
