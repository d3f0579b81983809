//! The migration as a stage: prepares the command's environment, and decides on retries, success and the record.

use std::time::Duration;

use common::cli::warn;
use common::clock::SystemClock;
use common::duration::format_duration;
use common::event::{ChildUse, Detail, Reason, Status};
use common::exit::Exit;
use dm_stage::runner::{Outcome, StageHooks};

use crate::args::TOOL;
use crate::database_error::database_error;
use crate::monitor::{BeginError, LiveStatus, Monitor, Observation};
use crate::on_failure::OnFailure;
use crate::plan::WatchedDatabase;
use crate::retry::{Decision, Retries};
use crate::schema::Expectation;
use crate::schema::SchemaVersions;
use crate::server::Preflight;

/// A migration; by default one without a monitor.
#[derive(Debug, Default)]
pub(crate) struct Migration {
    monitor: Option<Monitor>,
    env: Vec<(&'static str, String)>,
    expectation: Expectation,
    before: SchemaVersions,
    observation: Observation,
    retries: Option<Retries>,
    on_failure: Option<OnFailure>,
    /// The monitor's part of the live line, and the text before it.
    live: Option<(LiveStatus, String)>,
}

impl Migration {
    /// Starts the monitor. If that fails, warns and runs without one, unless monitoring is required.
    pub(crate) fn start(database: WatchedDatabase) -> Result<Self, BeginError> {
        let WatchedDatabase { address, required, expectation, lock_retries, config } = database;
        let (lock_timeout, live) = (config.lock_timeout, config.live.clone());
        match address.map_err(BeginError::from).and_then(|address| Monitor::begin(address, config)) {
            Ok((monitor, Preflight { warnings, env }, before)) => {
                for line in warnings {
                    warn(TOOL.name, &[line]);
                }
                let from = before.version().map(|version| format!(", from {version}"));
                let live = live.map(|live| (live, from.unwrap_or_default()));
                let retries = lock_timeout.map(|limit| Retries { limit, remaining: lock_retries });
                Ok(Self {
                    monitor: Some(monitor),
                    env,
                    expectation,
                    before,
                    retries,
                    live,
                    ..Self::default()
                })
            }
            Err(BeginError::LockHeld(lock_held)) => Err(lock_held.into()),
            Err(BeginError::Unreachable(error)) if required => {
                Err(error.context("the command was not run, because the database cannot be monitored").into())
            }
            Err(BeginError::Unreachable(error)) => {
                warn(TOOL.name, &[format!("the migration is not monitored: {error:#}")]);
                Ok(Self::default())
            }
        }
    }

    /// Sets the command to run after a failure.
    #[must_use]
    pub(crate) fn on_failure(self, on_failure: Option<OnFailure>) -> Self {
        Self { on_failure, ..self }
    }

    /// Gets the observation of the ended command, with the current version of the schema.
    fn observe(&mut self, succeeded: bool) {
        match self.monitor.as_ref().map(|monitor| monitor.finish(succeeded)) {
            Some(Ok(observation)) => self.observation = observation,
            Some(Err(error)) => warn(TOOL.name, &[format!("{error:#}")]),
            None => {}
        }
    }

    /// The pause before the next attempt, if the command failed because of its lock timeout and may be retried.
    fn next_attempt(&mut self, outcome: &mut Outcome) -> Option<Duration> {
        let retries = self.retries.as_mut().filter(|_| outcome.status == Status::Failure)?;
        let decision = retries.decide(&self.observation, &self.before);
        warn(TOOL.name, decision.describe(*retries).as_slice());
        if decision != Decision::NotLockTimeout {
            outcome.reason = Some(Reason::LockTimeout);
            let limit = format_duration(retries.limit);
            outcome.cause = Some(format!("the migration gave up after waiting {limit} for a lock"));
        }
        let Decision::Retry(pause) = decision else { return None };
        retries.remaining = retries.remaining.saturating_sub(1);
        Some(pause)
    }

    /// Reports the change of the schema. If the command succeeded without meeting the expectation, the outcome is a failure.
    fn judge_versions(&self, outcome: &mut Outcome) {
        let succeeded = outcome.status == Status::Success;
        warn(TOOL.name, self.observation.versions.describe_change(&self.before, succeeded).as_slice());
        if let Some(unmet) =
            self.expectation.describe_unmet(&self.before, &self.observation.versions).filter(|_| succeeded)
        {
            warn(TOOL.name, std::slice::from_ref(&unmet));
            outcome.cause = Some(unmet);
            outcome.exit = Exit::Failure;
            outcome.status = Status::Failure;
            outcome.reason = Some(Reason::MigrationFailed);
        }
    }

    fn run_on_failure(&mut self, mut on_failure: OnFailure) {
        let versions =
            [("DM_MIGRATION_BEFORE", &self.before), ("DM_MIGRATION_AFTER", &self.observation.versions)];
        for (name, versions) in versions {
            on_failure.env.extend(versions.version().map(|version| (name, version)));
        }
        warn(TOOL.name, &["the migration failed; running --on-failure".to_owned()]);
        warn(TOOL.name, &[on_failure.run(&SystemClock)]);
        if self.monitor.is_some() {
            let failed = self.observation.versions.clone();
            self.observe(true);
            warn(TOOL.name, self.observation.versions.describe_change(&failed, false).as_slice());
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
        if outcome.status == Status::Failure {
            outcome.cause = database_error(&outcome.used.stderr_tail);
        }
        if self.monitor.is_some() {
            self.observe(outcome.status == Status::Success);
            let pause = self.next_attempt(outcome);
            if pause.is_some() {
                return pause;
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
            after: self.observation.versions.version(),
            dirty: self.observation.versions.dirty(),
            lock_wait_s: self.observation.lock_wait.map(|wait| wait.as_secs_f64()),
            blocked_max: self.observation.blocked_max,
            terminated: self.observation.terminated,
            child,
        }
    }
}
