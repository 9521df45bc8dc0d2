//! What was measured over time, as one SVG: packets, bitrates, loss, delays and the server's CPU, one above the other.

use std::fmt::Write as _;

use super::report::{Report, Second};

const WIDTH: f64 = 860.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 130.0;
/// Of one panel's plot, and from one panel to the next.
const HEIGHT: f64 = 110.0;
const STEP: f64 = 165.0;
const TOP: f64 = 78.0;
const COLOURS: [&str; 2] = ["#1565c0", "#d84315"];

/// One panel: its name, its unit, and its lines by name.
struct Panel {
    title: &'static str,
    lines: Vec<(&'static str, Vec<Option<f64>>)>,
}

/// The picture.
pub(super) fn svg(report: &Report) -> String {
    let panels = panels(&report.each_second);
    let height = TOP + STEP * panels.len() as f64;
    let mut svg = String::new();
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" font-family=\"system-ui, sans-serif\" font-size=\"12\" fill=\"#333\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"28\" font-size=\"17\">{}</text>\n<text x=\"{LEFT}\" y=\"48\">{}</text>\n",
        escaped(&format!("{} at {}", report.kind, report.server_url)),
        escaped(&format!(
            "{} publishers ({} active, {:.0} packets/s each), {} subscribers, {} s",
            report.plan.publishers,
            report.plan.active,
            report.plan.packets_per_second,
            report.plan.subscribers,
            report.seconds
        )),
    );
    for (index, panel) in panels.iter().enumerate() {
        draw(
            &mut svg,
            panel,
            TOP + STEP * index as f64,
            report.each_second.len(),
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn panels(seconds: &[Second]) -> Vec<Panel> {
    let line = |of: &dyn Fn(&Second) -> Option<f64>| seconds.iter().map(of).collect::<Vec<_>>();
    let mut panels = vec![
        Panel {
            title: "packets a second",
            lines: vec![
                ("out", line(&|second| Some(second.arrived_packets as f64))),
                ("in", line(&|second| Some(second.sent_packets as f64))),
            ],
        },
        Panel {
            title: "Mbit/s",
            lines: vec![
                ("out", line(&|second| Some(second.arrived_mbit))),
                ("in", line(&|second| Some(second.sent_mbit))),
            ],
        },
        Panel {
            title: "loss after retransmission, %",
            lines: vec![("loss", line(&|second| Some(second.loss * 100.0)))],
        },
        Panel {
            title: "delay, ms",
            lines: vec![
                ("median", line(&|second| second.delay_ms.p50)),
                ("99 %", line(&|second| second.delay_ms.p99)),
            ],
        },
    ];
    let cpu = line(&|second| second.server_cpu_percent);
    if cpu.iter().any(Option::is_some) {
        panels.push(Panel {
            title: "server, % of one core",
            lines: vec![("server", cpu)],
        });
    }
    panels
}

fn draw(svg: &mut String, panel: &Panel, top: f64, seconds: usize) {
    let all = panel.lines.iter().flat_map(|(_, values)| values).flatten();
    let most = nice(all.copied().fold(0.0, f64::max));
    let (right, bottom) = (WIDTH - RIGHT, top + HEIGHT);
    let x = |index: usize| LEFT + (right - LEFT) * index as f64 / (seconds.saturating_sub(1)).max(1) as f64;
    let y = |value: f64| bottom - HEIGHT * value / most;
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"{:.0}\" font-weight=\"600\">{}</text>",
        top - 8.0,
        escaped(panel.title)
    );
    for quarter in [0.0, 0.5, 1.0] {
        let (value, at) = (most * quarter, y(most * quarter));
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            at + 4.0,
            number(value)
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"{at:.0}\" fill=\"#777\">1 s</text>\
         <text x=\"{right}\" y=\"{at:.0}\" fill=\"#777\" text-anchor=\"end\">{seconds} s</text>",
        at = bottom + 16.0
    );
    for (index, ((name, values), colour)) in panel.lines.iter().zip(COLOURS).enumerate() {
        // A second without a value interrupts the line.
        let mut path = String::new();
        let mut pen = 'M';
        for (index, value) in values.iter().enumerate() {
            match value {
                Some(value) => {
                    let _ = write!(path, "{pen}{:.1} {:.1}", x(index), y(*value));
                    pen = 'L';
                }
                None => pen = 'M',
            }
        }
        let last = values.iter().flatten().last().copied();
        let at = top + 12.0 + 18.0 * index as f64;
        let _ = writeln!(
            svg,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-linecap=\"round\"/>\
             <text x=\"{:.0}\" y=\"{at:.0}\" fill=\"{colour}\">{} {}</text>",
            right + 12.0,
            escaped(name),
            last.map(number).unwrap_or_default()
        );
    }
}

/// A round number that is not below this one.
fn nice(most: f64) -> f64 {
    if most <= 0.0 {
        return 1.0;
    }
    let ten = 10_f64.powf(most.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0];
    steps
        .into_iter()
        .map(|step| step * ten)
        .find(|round| *round >= most)
        .unwrap_or(most)
}

fn number(value: f64) -> String {
    let digits = if value == 0.0 || value >= 100.0 {
        0
    } else if value >= 1.0 {
        1
    } else {
        3
    };
    format!("{value:.digits$}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::report::tests::report;

    #[test]
    fn the_picture_has_a_panel_for_everything_and_stays_inside() {
        let mut report = report();
        report.server_url = "http://<a>&b".to_owned();
        let svg = svg(&report);
        for title in [
            "packets a second",
            "Mbit/s",
            "loss",
            "delay, ms",
            "server, %",
            "http://&lt;a&gt;&amp;b",
        ] {
            assert!(svg.contains(title), "{title}: {svg}");
        }
        assert_eq!(svg.matches("<path").count(), 8);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert_eq!(svg.matches("<svg").count(), svg.matches("</svg>").count());
    }

    #[test]
    fn a_server_elsewhere_has_no_panel_and_one_second_is_enough() {
        let mut report = report();
        report.each_second.truncate(1);
        report.each_second[0].server_cpu_percent = None;
        report.each_second[0].delay_ms = super::super::report::Delay::default();
        let svg = svg(&report);
        assert!(!svg.contains("server, %") && !svg.contains("NaN"), "{svg}");
    }

    #[test]
    fn axes_end_at_round_numbers() {
        for (most, end) in [
            (0.0, 1.0),
            (0.07, 0.1),
            (1.0, 1.0),
            (3.0, 5.0),
            (51_999.0, 100_000.0),
        ] {
            assert!((nice(most) - end).abs() < 1e-9, "{most}: {}", nice(most));
        }
    }
}
