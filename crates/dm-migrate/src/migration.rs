//! The migration beside its command: what it is told, how it is ended, what is recorded of it.

use std::time::Duration;

use anyhow::Result;
use common::cli::warn;
use common::clock::SystemClock;
use common::event::{ChildUse, Detail, Reason, Status};
use common::exit::Exit;
use dm_stage::runner::{Outcome, StageHooks};

use crate::TOOL;
use crate::expected::Expected;
use crate::held::Held;
use crate::monitor::live::Live;
use crate::monitor::{Monitor, Seen};
use crate::on_failure::OnFailure;
use crate::plan::Watched;
use crate::retry::{Answer, Retries};
use crate::server::Preflight;
use crate::version::Versions;

/// A migration; by default one that nobody watches.
#[derive(Debug, Default)]
pub struct Migration {
    monitor: Option<Monitor>,
    env: Vec<(&'static str, String)>,
    expected: Expected,
    before: Versions,
    seen: Seen,
    retries: Option<Retries>,
    on_failure: Option<OnFailure>,
    /// What the monitor says for the live line, and what stands before it.
    live: Option<(Live, String)>,
}

impl Migration {
    /// One that is watched; where that is not possible, and not required, it is told and no more.
    pub fn watched(database: Watched) -> Result<Self> {
        let Watched { address, required, expected, lock_retries, order } = database;
        let (lock_timeout, live) = (order.lock_timeout, order.live.clone());
        match address.and_then(|address| Monitor::begin(address, order)) {
            Ok((monitor, Preflight { warnings, env }, before)) => {
                for line in warnings {
                    warn(TOOL.name, &[line]);
                }
                let from = before.version().map(|version| format!(", from {version}"));
                let live = live.map(|live| (live, from.unwrap_or_default()));
                let retries = lock_timeout.map(|limit| Retries { limit, left: lock_retries });
                Ok(Self { monitor: Some(monitor), env, expected, before, retries, live, ..Self::default() })
            }
            Err(error) if error.is::<Held>() => Err(error),
            Err(error) if required => Err(error.context("not run, for it cannot be watched")),
            Err(error) => {
                warn(TOOL.name, &[format!("the migration is not watched: {error:#}")]);
                Ok(Self::default())
            }
        }
    }
}

impl Migration {
    /// With what is run after a failure.
    #[must_use]
    pub fn on_failure(self, on_failure: Option<OnFailure>) -> Self {
        Self { on_failure, ..self }
    }

    /// Finds out what was seen of the command that has ended, and of the schema now.
    fn look_back(&mut self, well: bool) {
        match self.monitor.as_ref().map(|monitor| monitor.ended(well)) {
            Some(Ok(seen)) => self.seen = seen,
            Some(Err(error)) => warn(TOOL.name, &[format!("{error:#}")]),
            None => {}
        }
    }

    /// The pause before the next attempt, where the command failed by its lock timeout and may be run again.
    fn again(&mut self, outcome: &mut Outcome) -> Option<Duration> {
        let retries = self.retries.as_mut().filter(|_| outcome.status == Status::Failure)?;
        let answer = retries.after(&self.seen, &self.before);
        warn(TOOL.name, answer.told(*retries).as_slice());
        if answer != Answer::NotTheLock {
            outcome.reason = Some(Reason::LockTimeout);
        }
        let Answer::Again(pause) = answer else { return None };
        retries.left = retries.left.saturating_sub(1);
        Some(pause)
    }

    /// What became of the schema, and whether that is what was wanted.
    fn judge_versions(&self, outcome: &mut Outcome) {
        let well = outcome.status == Status::Success;
        warn(TOOL.name, self.seen.versions.since(&self.before, well).as_slice());
        if let Some(unmet) = self.expected.unmet(&self.before, &self.seen.versions).filter(|_| well) {
            warn(TOOL.name, &[unmet]);
            outcome.exit = Exit::Failure;
            outcome.status = Status::Failure;
            outcome.reason = Some(Reason::MigrationFailed);
        }
    }

    fn run_on_failure(&mut self, mut on_failure: OnFailure) {
        let versions = [("DM_MIGRATION_BEFORE", &self.before), ("DM_MIGRATION_AFTER", &self.seen.versions)];
        for (name, versions) in versions {
            on_failure.env.extend(versions.version().map(|version| (name, version)));
        }
        warn(TOOL.name, &["the migration failed: running --on-failure".to_owned()]);
        warn(TOOL.name, &[on_failure.run(&SystemClock)]);
        if self.monitor.is_some() {
            let failed = self.seen.versions.clone();
            self.look_back(true);
            warn(TOOL.name, self.seen.versions.since(&failed, false).as_slice());
        }
    }
}

impl StageHooks for Migration {
    fn env(&self) -> Vec<(&'static str, String)> {
        self.env.clone()
    }

    fn before_stop(&mut self) {
        if let Some(monitor) = &self.monitor {
            monitor.cancel();
        }
    }

    fn live(&self) -> impl FnMut() -> String + Send + 'static {
        let (live, from) = self.live.clone().unwrap_or_default();
        move || format!("{from}{}", live.text())
    }

    fn judge(&mut self, outcome: &mut Outcome) -> Option<Duration> {
        if self.monitor.is_some() {
            self.look_back(outcome.status == Status::Success);
            let again = self.again(outcome);
            if again.is_some() {
                return again;
            }
            self.judge_versions(outcome);
        }
        if let Some(on_failure) = self.on_failure.take_if(|_| outcome.has_failed()) {
            self.run_on_failure(on_failure);
        }
        None
    }

    fn detail(self, child: ChildUse) -> Detail {
        Detail::Migration {
            before: self.before.version(),
            after: self.seen.versions.version(),
            dirty: self.seen.versions.dirty(),
            lock_wait_s: self.seen.lock_wait.map(|wait| wait.as_secs_f64()),
            blocked_max: self.seen.blocked_max,
            terminated: self.seen.terminated,
            child,
        }
    }
}
