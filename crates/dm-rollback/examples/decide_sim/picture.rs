//! The two questions in one picture: how often a good version is rolled back, and how often a bad one is found in time.

use std::fmt::Write as _;

use crate::rules::RULES;
use crate::traffic::HEALTHY;
use crate::{Cell, percent, wilson};

/// The colours of Okabe and Ito, which colour-blind readers can distinguish, and a shape for readers who see no colours.
const LOOKS: [(&str, &str); 6] = [
    ("#d55e00", "circle"),
    ("#e69f00", "square"),
    ("#56b4e9", "diamond"),
    ("#009e73", "triangle"),
    ("#cc79a7", "down"),
    ("#000000", "star"),
];

/// The traffic that is shown.
const TRAFFIC: f64 = 1.0;

/// The rates of constant faults, which are the axis of the second panel.
const RATES: [(&str, f64); 6] = [
    ("7 % errors", 7.0),
    ("10 % errors", 10.0),
    ("20 % errors", 20.0),
    ("30 % errors", 30.0),
    ("50 % errors", 50.0),
    ("100 % errors", 100.0),
];

const TOP: f64 = 90.0;
const ROW: f64 = 34.0;
const LEFT: (f64, f64) = (210.0, 560.0);
const RIGHT: (f64, f64) = (650.0, 1000.0);

pub(crate) fn draw(healthy: &[Cell], faulty: &[Cell]) -> String {
    let bottom = TOP + ROW * HEALTHY.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1030 {:.0}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        bottom + 95.0
    );
    text(&mut svg, LEFT.0, 28.0, "start", "Good versions rolled back in ten minutes, percent", true);
    text(
        &mut svg,
        LEFT.0,
        46.0,
        "start",
        "one request a second, θ = 5 %; bars: Wilson's 95 % interval",
        false,
    );
    text(&mut svg, RIGHT.0, 28.0, "start", "Bad versions found within 120 s, percent", true);
    text(&mut svg, RIGHT.0, 46.0, "start", "one request a second, by error rate", false);
    false_rollbacks(&mut svg, healthy, bottom);
    detection(&mut svg, faulty, bottom);
    for (index, rule) in RULES.iter().enumerate() {
        let x = LEFT.0 - 150.0 + 155.0 * index as f64;
        mark(&mut svg, x, bottom + 70.0, index);
        text(&mut svg, x + 12.0, bottom + 74.0, "start", rule.name, index == RULES.len() - 1);
    }
    svg + "</svg>\n"
}

fn false_rollbacks(svg: &mut String, cells: &[Cell], bottom: f64) {
    // The square root makes both 1 % and 100 % visible.
    let x = |percent: f64| LEFT.0 + (LEFT.1 - LEFT.0) * (percent / 100.0).sqrt();
    for tick in [0.0, 1.0, 5.0, 20.0, 50.0, 100.0] {
        line(svg, (x(tick), TOP - 10.0), (x(tick), bottom), if tick == 1.0 { "#999" } else { "#e4e4e4" });
        text(svg, x(tick), bottom + 18.0, "middle", &format!("{tick}"), false);
    }
    text(svg, x(1.0), TOP - 16.0, "middle", "limit: 1 %", false);
    for (row, scenario) in HEALTHY.iter().enumerate() {
        let y = TOP + ROW * (row as f64 + 0.4);
        text(svg, LEFT.0 - 12.0, y + 4.0, "end", scenario.name, false);
        let Some(cell) = cells.iter().find(|cell| cell.scenario == scenario.name && cell.traffic == TRAFFIC)
        else {
            continue;
        };
        for rule in 0..RULES.len() {
            let count = cell.within(rule, u64::MAX);
            let y = y + 4.0 * (rule as f64 - 2.5);
            let (low, high) = wilson(count, crate::TRIALS);
            line(svg, (x(low), y), (x(high), y), LOOKS[rule].0);
            mark(svg, x(percent(count)), y, rule);
        }
    }
}

fn detection(svg: &mut String, cells: &[Cell], bottom: f64) {
    let x = |rate: f64| RIGHT.0 + (RIGHT.1 - RIGHT.0) * (rate / 7.0).ln() / (100.0_f64 / 7.0).ln();
    let y = |percent: f64| bottom - (bottom - TOP) * percent / 100.0;
    for tick in [0.0, 20.0, 40.0, 60.0, 80.0, 100.0] {
        line(svg, (RIGHT.0, y(tick)), (RIGHT.1, y(tick)), "#e4e4e4");
        text(svg, RIGHT.0 - 10.0, y(tick) + 4.0, "end", &format!("{tick}"), false);
    }
    for (_, rate) in RATES {
        text(svg, x(rate), bottom + 18.0, "middle", &format!("{rate} %"), false);
    }
    for rule in 0..RULES.len() {
        let found = RATES.iter().filter_map(|(name, rate)| {
            let cell = cells.iter().find(|cell| cell.scenario == *name && cell.traffic == TRAFFIC)?;
            Some((x(*rate), y(percent(cell.within(rule, 120)))))
        });
        let points: Vec<(f64, f64)> = found.collect();
        for pair in points.windows(2) {
            line(svg, pair[0], pair[1], LOOKS[rule].0);
        }
        for (x, y) in points {
            mark(svg, x, y, rule);
        }
    }
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, text: &str, bold: bool) {
    let weight = if bold { " font-weight=\"bold\"" } else { "" };
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\"{weight}>{text}</text>");
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64), colour: &str) {
    let _ = writeln!(
        svg,
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\" stroke-width=\"1.5\"/>",
        from.0, from.1, to.0, to.1
    );
}

fn mark(svg: &mut String, x: f64, y: f64, rule: usize) {
    let (colour, shape) = LOOKS[rule];
    let points: &[(f64, f64)] = match shape {
        "square" => &[(-4.0, -4.0), (4.0, -4.0), (4.0, 4.0), (-4.0, 4.0)],
        "diamond" => &[(0.0, -5.0), (5.0, 0.0), (0.0, 5.0), (-5.0, 0.0)],
        "triangle" => &[(0.0, -5.0), (5.0, 4.0), (-5.0, 4.0)],
        "down" => &[(0.0, 5.0), (5.0, -4.0), (-5.0, -4.0)],
        "star" => &[
            (0.0, -6.0),
            (2.0, -2.0),
            (6.0, 0.0),
            (2.0, 2.0),
            (0.0, 6.0),
            (-2.0, 2.0),
            (-6.0, 0.0),
            (-2.0, -2.0),
        ],
        _ => {
            let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"/>");
            return;
        }
    };
    let points: Vec<String> = points.iter().map(|(dx, dy)| format!("{:.1},{:.1}", x + dx, y + dy)).collect();
    let _ = writeln!(svg, "<polygon points=\"{}\" fill=\"{colour}\"/>", points.join(" "));
}
