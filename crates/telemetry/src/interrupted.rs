//! Deployments that were interrupted: their process is gone, and their end is not on record.

use std::collections::HashSet;
use std::io;

use chrono::{DateTime, Utc};
use common::event::{InterruptedStage, Started};
use common::fs::PrivateDir;
use common::identity::Identity;

use crate::context::Context;
use crate::journal::{Entry, Journal};
use crate::otlp_export;
use crate::recorder::save_start;
use crate::running::{FOLDER, MAX_AGE, Unfinished};

/// Puts the deployments of this service to this environment into the journal, and into the shared state, that were
/// interrupted on this machine: each is returned once, oldest first.
///
/// # Errors
/// The state directory or the journal cannot be read or written.
pub fn record_interrupted(context: &Context, now: DateTime<Utc>) -> io::Result<Vec<Started>> {
    let Some(state_dir) = &context.sinks.state_dir else { return Ok(Vec::new()) };
    let mut gone = Unfinished::read(state_dir)?;
    gone.retain(|work| work.is_interrupted(now));
    if gone.is_empty() {
        return Ok(Vec::new());
    }
    let folder = PrivateDir::create(state_dir, &[FOLDER])?;
    let mut recorded = Vec::new();
    let mut done: HashSet<&str> = HashSet::new();
    let Identity { service, environment, .. } = &context.identity;
    let is_ours = |work: &&Unfinished| {
        let identity = &work.started.identity;
        work.started.stage.is_deployment()
            && (&identity.service, &identity.environment) == (service, environment)
    };
    for whole in gone.iter().filter(is_ours) {
        let entries = Journal::new(state_dir).read_deployment(&whole.started.identity.deployment)?.entries;
        let inner: Vec<&Unfinished> = gone.iter().filter(|work| work.is_within(whole)).collect();
        // Whoever removes the file reports it. If this process is killed now, nobody does.
        if folder.remove(&whole.name).is_err() {
            continue;
        }
        done.extend(inner.iter().map(|work| work.name.as_str()));
        if whole.is_recorded(&entries) {
            continue;
        }
        let contains_another = |outer: &Unfinished| {
            inner
                .iter()
                .any(|work| work.is_within(outer) && work.parent.as_ref() == Some(&outer.started.stage))
        };
        let stages = inner.iter().filter(|work| !work.is_recorded(&entries) && !contains_another(work));
        let stages = stages.map(|work| InterruptedStage {
            service: work.started.identity.service.clone(),
            stage: work.started.stage.clone(),
            ts: work.started.ts,
        });
        let started = Started { interrupted: Some(stages.collect()), ..whole.started.clone() };
        save_start(state_dir, &started, &context.sinks)?;
        if let Some(settings) = &context.sinks.otlp {
            // Nobody knows when it was killed: not before its last event.
            let last = entries.iter().map(Entry::ts).max().unwrap_or(whole.started.ts);
            let open = inner.iter().filter(|work| !work.is_recorded(&entries)).chain([&whole]);
            for event in open.filter_map(|work| work.as_event(last)) {
                otlp_export::enqueue_span(state_dir, settings, &event)?;
            }
        }
        recorded.push(started);
    }
    // Single stages that nobody will ask for.
    done.extend(gone.iter().filter(|work| now - work.started.ts > MAX_AGE).map(|work| work.name.as_str()));
    for name in done {
        let _ = folder.remove(name);
    }
    Ok(recorded)
}
