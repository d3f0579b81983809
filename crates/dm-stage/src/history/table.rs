//! The history as a table with columns of equal width.

use common::duration::format_duration;
use common::label::Label;
use common::term::text::short_line;

use super::{History, Line, Now};

/// The widest cell, in characters.
const MAX_WIDTH: usize = 40;

const HEADER: [&str; 9] =
    ["BEGAN (UTC)", "DEPLOYMENT", "SERVICE", "VERSION", "OUTCOME", "FAILED AT", "TOOK", "BY", "NOW"];

/// The table; a sentence if there is no deployment.
pub(crate) fn table(history: &History<'_>) -> String {
    if history.lines.is_empty() {
        return "no deployments\n".to_owned();
    }
    let header = HEADER.map(str::to_owned);
    let rows: Vec<[String; 9]> = std::iter::once(header)
        .chain(history.lines.iter().map(|line| cells(line).map(|cell| short_line(&cell, MAX_WIDTH))))
        .collect();
    let mut widths = [0; 9];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn cells(line: &Line<'_>) -> [String; 9] {
    let deployment = line.deployment;
    let identity = deployment.identity;
    let or_dash = |label: Option<&Label>| label.map_or_else(|| "-".to_owned(), Label::to_string);
    let took = (deployment.until - deployment.began).to_std().unwrap_or_default();
    let now = match &line.now {
        Now::RolledBack(Some(target)) => format!("rolled back to {target}"),
        now => now.as_str().to_owned(),
    };
    [
        deployment.began.format("%Y-%m-%d %H:%M:%S").to_string(),
        identity.deployment.to_string(),
        format!("{}/{}", identity.service, identity.environment),
        or_dash(identity.version.as_ref()),
        line.conclusion.outcome.as_str().to_owned(),
        line.conclusion.failed_stage.clone().unwrap_or_else(|| "-".to_owned()),
        format_duration(took),
        or_dash(identity.actor.as_ref()),
        now,
    ]
}
