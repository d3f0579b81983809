//! A watch: its requests and errors, and the evidence that grew until the verdict.

use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, Utc};
use common::duration::format_duration;
use common::event::WatchCurve;
use minijinja::{Value, context};

use super::chart::{Bar, Curve, LINE, bars, curves};
use super::length;

/// The charts of a watch that ended with a verdict at `decided`, and the same as a table.
pub(super) fn watch(watch: &WatchCurve, decided: DateTime<Utc>) -> Result<Value> {
    let points = &watch.points;
    let requests: Vec<Bar> = points
        .iter()
        .map(|point| Bar { good: point.total.saturating_sub(point.errors), bad: point.errors })
        .collect();
    let after = |place: usize| points.get(place).map_or_else(String::new, |point| length(point.after_s));
    let verdict_s = (decided - watch.began).as_seconds_f64().max(0.0);
    let evidence: Vec<(f64, f64)> = points.iter().map(|point| (point.after_s, point.evidence)).collect();
    let curve = Curve { color: LINE, points: evidence };
    let time = |x: &f64| Duration::try_from_secs_f64(*x).map_or_else(|_| String::new(), format_duration);
    let evidence_chart =
        curves(&[curve], (Some(watch.needed), Some(verdict_s)), &time, &|y| format!("{y:.1}"))?;
    let rows: Vec<Value> = points
        .iter()
        .map(|point| {
            context! {
                after => length(point.after_s), total => point.total, errors => point.errors,
                evidence => format!("{:.2}", point.evidence),
            }
        })
        .collect();
    Ok(context! {
        requests => bars(&requests, &after)?,
        evidence => evidence_chart,
        needed => format!("{:.2}", watch.needed),
        verdict => length(verdict_s),
        rows,
    })
}
