//! The stages as a Gantt chart in Mermaid, which GitHub and GitLab draw.

use std::fmt::Write as _;

use chrono::TimeDelta;
use common::event::Status;
use common::label::Label;

use super::table::{is_shown, mark};
use crate::deployment::{Deployment, Progress, Row};

/// How many stages are drawn.
const MAX_ROWS: usize = 60;

/// A shorter bar than this part of the whole cannot be seen.
const SHORTEST: i64 = 100;

/// In a shorter time, several marks of the axis are in the same second.
const SHORT: TimeDelta = TimeDelta::seconds(10);

/// The chart, as a fenced block; empty if there is no stage.
pub(super) fn chart(deployment: &Deployment<'_>) -> String {
    let is_drawn = |row: &&Row<'_>| {
        !row.is_deployment && is_shown(row) && row.progress != Progress::Ended(Status::Skipped)
    };
    let rows: Vec<&Row<'_>> = deployment.last_run().filter(is_drawn).take(MAX_ROWS).collect();
    let Some(began) = rows.iter().map(|row| row.began).min() else { return String::new() };
    let ended = rows.iter().map(|row| row.until).max().unwrap_or(began);
    let shortest = (ended - began).num_milliseconds() / SHORTEST;
    let mut services: Vec<&Label> = Vec::new();
    for row in &rows {
        if !services.contains(&row.service) {
            services.push(row.service);
        }
    }
    let axis = if ended - began < SHORT { "%M:%S.%L" } else { "%H:%M:%S" };
    let mut text = format!("```mermaid\ngantt\n    dateFormat x\n    axisFormat {axis}\n");
    for service in services {
        let _ = writeln!(text, "    section {}", name(service.as_str()));
        for row in rows.iter().filter(|row| row.service == service) {
            let from = row.began.timestamp_millis();
            let to = row.until.timestamp_millis().max(from + shortest.max(1));
            // The mark is first, so no name is taken for a keyword.
            let _ = writeln!(text, "    {} {} :{}{from}, {to}", mark(row).0, name(row.stage), tag(row));
        }
    }
    text.push_str("```\n");
    text
}

/// The colour of the bar.
fn tag(row: &Row<'_>) -> &'static str {
    match row.progress {
        Progress::Ended(Status::Success) => "done, ",
        Progress::Ended(_) | Progress::Interrupted => "crit, ",
        Progress::Running | Progress::NotFinished => "active, ",
    }
}

/// A name without the characters that mean something in Mermaid.
fn name(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    text.chars().map(|c| if is_plain(c) { c } else { ' ' }).collect()
}
