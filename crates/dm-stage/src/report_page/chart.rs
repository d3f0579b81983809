//! Charts as SVG. Their colors stand for variables of the style sheet, which knows whether the page is light, dark or printed.

use std::ops::Range;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;

/// The size of a chart, in pixels of an ordinary screen; it shrinks with its page.
const SIZE: (u32, u32) = (720, 240);

/// The names that the style sheet maps to variables: see `templates/style.css`.
const TEXT: RGBColor = RGBColor(1, 1, 1);
const GRID: RGBColor = RGBColor(2, 2, 2);
pub(super) const GOOD: RGBColor = RGBColor(3, 3, 3);
pub(super) const BAD: RGBColor = RGBColor(4, 4, 4);
pub(super) const LINE: RGBColor = RGBColor(5, 5, 5);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A bar of a chart: what is good at the bottom, what is bad above it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Bar {
    pub(super) good: u64,
    pub(super) bad: u64,
}

/// Stacked bars, side by side. `label` is the text below some of them.
pub(super) fn bars(bars: &[Bar], label: &dyn Fn(usize) -> String) -> Result<String> {
    let highest = bars.iter().map(|bar| bar.good + bar.bad).max().unwrap_or(0).max(1);
    draw(|area| {
        let mut chart = ChartBuilder::on(area)
            .margin(6)
            .x_label_area_size(30)
            .y_label_area_size(44)
            .build_cartesian_2d(0.0..float(bars.len()), 0.0..whole(highest) * 1.05)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .axis_style(GRID)
            .label_style(text_style())
            .x_labels(bars.len().clamp(2, 10))
            .y_labels(5)
            .x_label_formatter(&|place| {
                if place.fract() == 0.0 { label(index(*place)) } else { String::new() }
            })
            .y_label_formatter(&|count| if count.fract() == 0.0 { count.to_string() } else { String::new() })
            .draw()?;
        for (place, bar) in bars.iter().enumerate() {
            let (left, right) = (float(place) + 0.1, float(place) + 0.9);
            let good = whole(bar.good);
            for (bottom, top, color) in [(0.0, good, GOOD), (good, good + whole(bar.bad), BAD)] {
                if top > bottom {
                    chart.draw_series([Rectangle::new([(left, bottom), (right, top)], color.filled())])?;
                }
            }
        }
        Ok(())
    })
}

/// A line of a chart.
pub(super) struct Curve {
    pub(super) color: RGBColor,
    pub(super) points: Vec<(f64, f64)>,
}

/// Curves over time, with a horizontal line at `limit` and a vertical one at `moment`. `x_label` and `y_label` name values.
pub(super) fn curves(
    curves: &[Curve],
    (limit, moment): (Option<f64>, Option<f64>),
    x_label: &dyn Fn(&f64) -> String,
    y_label: &dyn Fn(&f64) -> String,
) -> Result<String> {
    let points = || curves.iter().flat_map(|curve| curve.points.iter().copied());
    let x = range(points().map(|(x, _)| x).chain(moment));
    let y = range(points().map(|(_, y)| y).chain(limit).chain([0.0]));
    draw(|area| {
        let mut chart = ChartBuilder::on(area)
            .margin(6)
            .x_label_area_size(30)
            .y_label_area_size(60)
            .build_cartesian_2d(x.clone(), y.clone())?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .axis_style(GRID)
            .label_style(text_style())
            .x_labels(8)
            .y_labels(5)
            .x_label_formatter(&|value| x_label(value))
            .y_label_formatter(&|value| y_label(value))
            .draw()?;
        if let Some(limit) = limit {
            let ends = [(x.start, limit), (x.end, limit)];
            chart.draw_series(DashedLineSeries::new(ends, 6, 4, BAD.stroke_width(1)))?;
        }
        if let Some(moment) = moment {
            let ends = [(moment, y.start), (moment, y.end)];
            chart.draw_series(DashedLineSeries::new(ends, 2, 3, TEXT.stroke_width(1)))?;
        }
        for curve in curves {
            chart.draw_series(LineSeries::new(curve.points.iter().copied(), curve.color.stroke_width(2)))?;
            if curve.points.len() < 30 {
                let dot = |point: &(f64, f64)| Circle::new(*point, 3, curve.color.filled());
                chart.draw_series(curve.points.iter().map(dot))?;
            }
        }
        Ok(())
    })
}

type Drawn = Result<(), DrawingAreaErrorKind<<SVGBackend<'static> as DrawingBackend>::ErrorType>>;

fn draw(content: impl FnOnce(&Area<'_>) -> Drawn) -> Result<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        content(&area).map_err(|error| anyhow!("cannot draw a chart: {error}"))?;
        area.present().map_err(|error| anyhow!("cannot draw a chart: {error}"))?;
    }
    // The text beside it says what it shows, and the page sets its width.
    Ok(svg.replacen("<svg ", "<svg class=\"chart\" aria-hidden=\"true\" focusable=\"false\" ", 1))
}

fn text_style() -> TextStyle<'static> {
    ("sans-serif", 14).into_font().color(&TEXT)
}

/// The range of these values, with some room above.
fn range(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (low, high) = values
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low < high {
        low..(high + (high - low) * 0.05)
    } else if low.is_finite() {
        low..low + 1.0
    } else {
        0.0..1.0
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of what fits on a page")]
fn float(count: usize) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn whole(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place among the bars")]
fn index(place: f64) -> usize {
    place as usize
}
