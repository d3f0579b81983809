//! The metrics and the environment variables on the reference pages are those of the tools. After a change,
//! `UPDATE_MANUAL=1 cargo test -p testkit --test reference` generates the tables again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use clap::{Command, CommandFactory as _};
use telemetry::catalog::{self, Kind};

/// The rows of the table in a Markdown page.
fn is_row(line: &str) -> bool {
    line.starts_with("| `")
}

/// Checks the table of a page; replaces its rows if asked to.
fn check(page: &str, rows: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference").join(page);
    let text = fs::read_to_string(&path).unwrap();
    let current: String = text.split_inclusive('\n').filter(|line| is_row(line)).collect();
    if std::env::var_os("UPDATE_MANUAL").is_some() {
        fs::write(&path, text.replace(&current, rows)).unwrap();
        return;
    }
    assert!(
        current == rows,
        "docs/reference/{page} is out of date: run UPDATE_MANUAL=1 cargo test -p testkit --test reference"
    );
}

#[test]
fn the_metrics_page_is_up_to_date() {
    let mut rows = String::new();
    for family in catalog::ALL {
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        writeln!(rows, "| `{}` | {kind} | {} |", family.name, family.help).unwrap();
    }
    check("metrics.md", &rows);
}

#[test]
fn the_environment_page_is_up_to_date() {
    let tools: [Command; 5] = [
        dm_health::Args::command(),
        dm_migrate::Args::command(),
        dm_rollback::Args::command(),
        dm_smoke::Args::command(),
        dm_stage::Args::command(),
    ];
    let count = tools.len();
    // The tools that read a variable, by the row without them: the flag and its meaning.
    let mut rows_of: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for tool in tools {
        for argument in tool.get_arguments() {
            let Some(variable) = argument.get_env().and_then(|name| name.to_str()) else { continue };
            let flag = argument.get_long().unwrap_or_default();
            let meaning =
                argument.get_help().map(ToString::to_string).unwrap_or_default().replace('|', "\\|");
            let row = (variable.to_owned(), format!("`--{flag}` | {meaning}"));
            rows_of.entry(row).or_default().insert(format!("`{}`", tool.get_name()));
        }
    }
    let mut rows = String::new();
    for ((variable, flag_and_meaning), names) in &rows_of {
        let names = if names.len() == count { "all".to_owned() } else { join(names) };
        writeln!(rows, "| `{variable}` | {flag_and_meaning} | {names} |").unwrap();
    }
    check("environment.md", &rows);
}

fn join(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}
