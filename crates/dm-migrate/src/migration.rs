//! The migration as a stage: prepares the command's environment, and decides on retries, success and the record.

use std::time::Duration;

use common::cli::warn;
use common::clock::SystemClock;
use common::event::{ChildUse, Detail, Reason, Status};
use common::exit::Exit;
use dm_stage::runner::{Outcome, StageHooks};

use crate::args::TOOL;
use crate::database_error::{database_error, is_lock_timeout};
use crate::leftover;
use crate::monitor::{BeginError, LiveStatus, Monitor, Observation};
use crate::on_failure::OnFailure;
use crate::plan::WatchedDatabase;
use crate::retry::{LockTimeout, check_unchanged, gave_up};
use crate::schema::{Expectation, SchemaState};
use crate::server::Preflight;

/// A migration; by default one without a monitor.
#[derive(Debug, Default)]
pub(crate) struct Migration {
    monitor: Option<Monitor>,
    env: Vec<(&'static str, String)>,
    expectation: Expectation,
    before: SchemaState,
    observation: Observation,
    lock_timeout: Option<LockTimeout>,
    /// The number of retries so far.
    retries: u32,
    /// Whether a constraint that is not validated is no failure.
    allow_unvalidated: bool,
    on_failure: Option<OnFailure>,
    /// The monitor's part of the live line, and the text before it.
    live: Option<(LiveStatus, String)>,
}

impl Migration {
    /// Starts the monitor. If that fails, warns and runs without one, unless monitoring is required.
    pub(crate) fn start(database: WatchedDatabase) -> Result<Self, BeginError> {
        let WatchedDatabase { address, required, expectation, allow_unvalidated, passes_options, config } =
            database;
        let (lock_timeout, live) = (config.lock_timeout.clone(), config.live.clone());
        let watch_only = config.watch_only;
        match address.map_err(BeginError::from).and_then(|address| Monitor::begin(address, config)) {
            Ok((monitor, Preflight { warnings, mut env }, before)) => {
                for line in warnings {
                    warn(TOOL.name, &[line]);
                }
                env.retain(|(name, _)| !watch_only && (passes_options || *name != "PGOPTIONS"));
                let from = before.versions.version().map(|version| format!(", from {version}"));
                let live = live.map(|live| (live, from.unwrap_or_default()));
                Ok(Self {
                    monitor: Some(monitor),
                    env,
                    expectation,
                    before,
                    lock_timeout,
                    allow_unvalidated,
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
        let timeout = self.lock_timeout.as_ref().filter(|_| outcome.status == Status::Failure)?;
        let cancelled = self.observation.cancelled?;
        let gave_up = gave_up(cancelled.waited);
        outcome.cause = Some(self.with_blocker(gave_up));
        outcome.reason = Some(Reason::LockTimeout);
        let decision = cancelled
            .retry
            .and_then(|()| check_unchanged(&self.before, &self.observation.schema))
            .and_then(|()| timeout.check(self.retries, self.observation.elapsed))
            .map(|()| timeout.pause(self.retries + 1));
        self.retries += u32::from(decision.is_ok());
        warn(TOOL.name, &[timeout.describe(cancelled.waited, self.retries, decision)]);
        decision.ok()
    }

    /// The message about a wait that was too long, with who was in the way.
    fn with_blocker(&self, message: String) -> String {
        match &self.observation.blocked_by {
            Some(blocked_by) => format!("{message}: {blocked_by}"),
            None => message,
        }
    }

    /// Names the blocker if the migration's own limit, or that of its database, has ended a lock wait.
    fn explain_lock_timeout(&self, outcome: &mut Outcome) {
        if let Some(error) = outcome.cause.take_if(|error| is_lock_timeout(error)) {
            outcome.cause = Some(self.with_blocker(error));
            outcome.reason = Some(Reason::LockTimeout);
        }
    }

    /// Reports the change of the schema. If the command succeeded, and left something broken behind or did not meet the
    /// expectation, the outcome is a failure.
    fn judge_schema(&self, outcome: &mut Outcome) {
        let succeeded = outcome.status == Status::Success;
        let after = &self.observation.schema;
        warn(TOOL.name, after.describe_change(&self.before, succeeded).as_slice());
        let mut failure = None;
        for leftover in leftover::new_ones(self.before.leftovers.as_ref(), after.leftovers.as_ref()) {
            let message = format!("the migration left behind: {}", leftover.describe());
            warn(TOOL.name, std::slice::from_ref(&message));
            if !(leftover.can_be_intended && self.allow_unvalidated) {
                failure.get_or_insert(message);
            }
        }
        let unmet =
            self.expectation.describe_unmet(&self.before.versions, &after.versions).filter(|_| succeeded);
        warn(TOOL.name, unmet.as_slice());
        if let Some(cause) = failure.or(unmet).filter(|_| succeeded) {
            outcome.cause = Some(cause);
            outcome.exit = Exit::Failure;
            outcome.status = Status::Failure;
            outcome.reason = Some(Reason::MigrationFailed);
        }
    }

    fn run_on_failure(&mut self, mut on_failure: OnFailure) {
        let versions =
            [("DM_MIGRATION_BEFORE", &self.before), ("DM_MIGRATION_AFTER", &self.observation.schema)];
        for (name, schema) in versions {
            on_failure.env.extend(schema.versions.version().map(|version| (name, version)));
        }
        warn(TOOL.name, &["the migration failed; running --on-failure".to_owned()]);
        warn(TOOL.name, &[on_failure.run(&SystemClock)]);
        if self.monitor.is_some() {
            let failed = self.observation.schema.clone();
            self.observe(true);
            warn(TOOL.name, self.observation.schema.describe_change(&failed, false).as_slice());
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
            self.explain_lock_timeout(outcome);
            let pause = self.next_attempt(outcome);
            if pause.is_some() {
                return pause;
            }
            self.judge_schema(outcome);
        }
        if let Some(on_failure) = self.on_failure.take_if(|_| outcome.has_failed()) {
            self.run_on_failure(on_failure);
        }
        None
    }

    fn detail(self, child: ChildUse) -> Detail {
        Detail::Migration {
            before: self.before.versions.version(),
            after: self.observation.schema.versions.version(),
            dirty: self.observation.schema.versions.dirty(),
            lock_wait_s: self.observation.lock_wait.map(|wait| wait.as_secs_f64()),
            blocked_max: self.observation.blocked_max,
            progress: self.observation.progress,
            terminated: self.observation.terminated,
            blocked_by: self.observation.blocked_by,
            child,
        }
    }
}
