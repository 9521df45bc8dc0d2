//! Rates over time as SVG: one small panel for each scenario.

use std::fmt::Write;

use trefoil_testkit::{CallWorld, SAMPLE};

const WIDE: f64 = 380.0;
const HIGH: f64 = 150.0;
const COLUMNS: usize = 3;
const COLOURS: [&str; 2] = ["#1f6feb", "#c2410c"];
/// The box of the curves within a panel.
const LEFT: f64 = 34.0;
const TOP: f64 = 18.0;
const CURVES_WIDE: f64 = WIDE - 44.0;
const CURVES_HIGH: f64 = HIGH - 36.0;

/// All worlds: what is free in grey, what a call sends pale, its estimate strong, in one colour for each call.
pub(crate) fn draw(worlds: &[(&str, CallWorld)]) -> String {
    let rows = worlds.len().div_ceil(COLUMNS);
    let (wide, high) = (WIDE * COLUMNS as f64, HIGH * rows as f64);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide} {high}\" font-family=\"sans-serif\" \
         font-size=\"10\">\n<rect width=\"{wide}\" height=\"{high}\" fill=\"#fff\"/>\n"
    );
    for (index, (name, world)) in worlds.iter().enumerate() {
        let (x, y) = ((index % COLUMNS) as f64 * WIDE, (index / COLUMNS) as f64 * HIGH);
        let _ = writeln!(svg, "<g transform=\"translate({x},{y})\">{}</g>", panel(name, world));
    }
    svg + "</svg>\n"
}

fn panel(name: &str, world: &CallWorld) -> String {
    let free: Vec<_> = world.samples(0, 0..u64::MAX).map(|(at, _)| world.free(at) as f64).collect();
    let most = free.iter().copied().fold(0.0, f64::max) * 1.4;
    let seconds = free.len() as f64 * SAMPLE.as_secs_f64();
    let (bottom, right) = (HIGH - 6.0, LEFT + CURVES_WIDE);
    let mut svg = format!(
        "<text x=\"{LEFT}\" y=\"12\">{name}</text><text x=\"2\" y=\"{}\">{:.1}M</text>\
         <text x=\"{LEFT}\" y=\"{bottom}\">0 s</text>\
         <text x=\"{right}\" y=\"{bottom}\" text-anchor=\"end\">{seconds:.0} s</text>",
        TOP + 8.0,
        most / 1e6,
    );
    svg += &curve(&free, 1, most, "stroke=\"#999\" stroke-width=\"1.5\"");
    for (call, colour) in (0..world.calls().len()).zip(COLOURS.iter().cycle()) {
        let samples: Vec<_> = world.samples(call, 0..u64::MAX).map(|(_, sample)| sample).collect();
        let rate = |bytes: u64, samples: usize| bytes as f64 * 8.0 / (SAMPLE.as_secs_f64() * samples as f64);
        let sent = samples.chunks(10);
        let sent: Vec<_> = sent.map(|chunk| rate(chunk.iter().map(|sample| sample.sent).sum(), chunk.len())).collect();
        let estimates: Vec<_> = samples.iter().step_by(3).map(|sample| sample.estimate as f64).collect();
        svg += &curve(&sent, 10, most, &format!("stroke=\"{colour}\" stroke-opacity=\".35\""));
        svg += &curve(&estimates, 3, most, &format!("stroke=\"{colour}\" stroke-width=\"1.2\""));
    }
    svg
}

/// A line through values that are so many samples apart; a value like those beside it needs no point.
fn curve(values: &[f64], apart: usize, most: f64, style: &str) -> String {
    let step = CURVES_WIDE / (values.len() * apart).max(1) as f64 * apart as f64;
    let height = |value: f64| (TOP + CURVES_HIGH - (value / most).min(1.0) * CURVES_HIGH).round();
    let heights: Vec<_> = values.iter().map(|value| height(*value)).collect();
    let mut points = String::new();
    for (index, here) in heights.iter().enumerate() {
        let beside = [index.wrapping_sub(1), index + 1].map(|beside| heights.get(beside));
        if beside != [Some(here), Some(here)] {
            let _ = write!(points, "{:.0},{here} ", LEFT + index as f64 * step);
        }
    }
    format!("<polyline fill=\"none\" {style} points=\"{}\"/>", points.trim_end())
}
