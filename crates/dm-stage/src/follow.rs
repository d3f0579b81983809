//! A deployment while it runs: a line for each stage that starts or ends.

use std::collections::HashSet;
use std::io;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, TimeDelta, Utc};
use common::clock::{Clock as _, SystemClock};
use common::duration::format_duration;
use common::exit::Exit;
use common::label::Label;
use common::output::LineWriter;
use common::term::text::short_line;

use crate::deployment::{Deployment, Ending, Progress, Records, Row, Source};
use crate::sentence::Conclusion;

/// How often the journal of this machine is read, and that of all machines.
const LOCAL_INTERVAL: Duration = Duration::from_millis(500);
const SHARED_INTERVAL: Duration = Duration::from_secs(5);

/// A deployment that began longer ago has been forgotten.
const LONGEST: TimeDelta = TimeDelta::hours(24);

/// The longest line, in bytes.
const MAX_LINE_BYTES: usize = 400;

/// Prints what the deployment does until it ends.
#[expect(clippy::disallowed_methods, reason = "no event tells what another process writes to the journal")]
pub(crate) fn follow(source: &Source, id: Option<&Label>) -> Result<Exit> {
    let interval = match source {
        Source::Local(_) => LOCAL_INTERVAL,
        Source::Shared(_) => SHARED_INTERVAL,
    };
    let id = match id {
        Some(id) => id.clone(),
        None => running(&source.read(None)?, source, SystemClock.now())?,
    };
    let mut out = LineWriter::new(io::stdout());
    let mut shown = Shown::default();
    loop {
        let now = SystemClock.now();
        let records = source.read(Some(&id))?;
        let deployment = records.find(Some(&id), source, now)?;
        for line in shown.news(&deployment) {
            out.write(format!("{line}\n").as_bytes()).context("cannot print the news")?;
        }
        let is_over = match deployment.ending {
            Ending::Ended(_) | Ending::Interrupted => true,
            Ending::Running | Ending::Unknown => now - deployment.began > LONGEST,
        };
        if is_over || out.is_closed() {
            let sentence = Conclusion::of(&deployment).sentence;
            out.write(format!("{sentence}\n").as_bytes()).context("cannot print the end")?;
            return Ok(Exit::Success);
        }
        thread::sleep(interval);
    }
}

/// The id of the newest deployment that runs.
fn running(records: &Records, source: &Source, now: DateTime<Utc>) -> Result<Label> {
    let deployments = records.deployments(now);
    if let Some(running) = deployments.iter().find(|it| it.ending == Ending::Running) {
        return Ok(running.identity.deployment.clone());
    }
    match deployments.first() {
        Some(last) => {
            let id = &last.identity.deployment;
            bail!("no deployment is running on this machine; the last one was {id}: dm-stage --timeline {id}")
        }
        None => bail!("no deployment is running on this machine, and {source} is empty"),
    }
}

/// What was shown already.
#[derive(Debug, Default)]
struct Shown {
    started: HashSet<(String, DateTime<Utc>)>,
    ended: HashSet<(String, DateTime<Utc>)>,
}

impl Shown {
    /// The lines about what has changed, in the order in which it happened.
    fn news(&mut self, deployment: &Deployment<'_>) -> Vec<String> {
        let mut lines: Vec<(DateTime<Utc>, String)> = Vec::new();
        for row in deployment.last_run().filter(|row| !row.is_deployment) {
            match row.progress {
                Progress::Running => {
                    if self.started.insert((row.name(), row.began)) {
                        lines.push((row.began, line(row.began, row, "started")));
                    }
                }
                _ => {
                    if self.ended.insert((row.name(), row.until)) {
                        lines.push((row.until, line(row.until, row, &ended(row))));
                    }
                }
            }
        }
        lines.sort();
        lines.into_iter().map(|(_, line)| line).collect()
    }
}

fn line(at: DateTime<Utc>, row: &Row<'_>, what: &str) -> String {
    let line = format!("{}  {:<24} {what}", at.format("%H:%M:%S"), row.name());
    short_line(&line, MAX_LINE_BYTES)
}

fn ended(row: &Row<'_>) -> String {
    let took = row.duration.map(|duration| format!("{:>7}  ", format_duration(duration))).unwrap_or_default();
    format!("{took}{}", row.outcome())
}
