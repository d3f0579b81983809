//! The migration beside its command: what it is told, how it is ended, what is recorded of it.

use std::time::Duration;

use anyhow::Result;
use common::cli::warn;
use common::env;
use common::event::{ChildUse, Detail, Reason, Status};
use common::exit::Exit;
use common::wrap::{Beside, Outcome};

use crate::TOOL;
use crate::advisory::Held;
use crate::child_env::options;
use crate::expected::Expected;
use crate::monitor::{Monitor, Order, Seen};
use crate::plan::Watched;
use crate::retry::{Answer, Retries};
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
    by_lock_timeout: bool,
}

impl Migration {
    /// One that is watched; where that is not possible, and not required, it is told and no more.
    pub fn watched(database: Watched) -> Result<Self> {
        let Watched { address, required, alone, name, expected, lock_timeout, lock_retries, terminate } =
            database;
        let begun = address.and_then(|address| {
            let order =
                Order { tool: TOOL.name, address, name: name.clone(), alone, lock_timeout, terminate };
            Monitor::begin(order)
        });
        match begun {
            Ok((monitor, preflight, before)) => {
                for line in preflight.warnings() {
                    warn(TOOL.name, &[line]);
                }
                let mut env = vec![("PGAPPNAME", name)];
                let options = options(preflight.server_version, lock_timeout, &env::system);
                env.extend(options.map(|options| ("PGOPTIONS", options)));
                let retries = lock_timeout.map(|limit| Retries { limit, left: lock_retries });
                Ok(Self { monitor: Some(monitor), env, expected, before, retries, ..Self::default() })
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
    /// Finds out what was seen of the command that has ended.
    fn look_back(&mut self, well: bool) {
        match self.monitor.as_ref().map(|monitor| monitor.ended(well)) {
            Some(Ok(seen)) => self.seen = seen,
            Some(Err(error)) => warn(TOOL.name, &[format!("{error:#}")]),
            None => {}
        }
    }
}

impl Beside for Migration {
    fn env(&self) -> Vec<(&'static str, String)> {
        self.env.clone()
    }

    fn before_stop(&mut self) {
        if let Some(monitor) = &self.monitor {
            monitor.cancel();
        }
    }

    fn again(&mut self, outcome: &Outcome) -> Option<Duration> {
        let mut retries = self.retries.filter(|_| outcome.status == Status::Failure)?;
        self.look_back(false);
        let answer = retries.after(&self.seen, &self.before);
        warn(TOOL.name, answer.told(retries.limit, retries.left).as_slice());
        self.by_lock_timeout = answer != Answer::NotTheLock;
        retries.left = retries.left.saturating_sub(1);
        self.retries = Some(retries);
        match answer {
            Answer::Again(pause) => Some(pause),
            Answer::NotTheLock | Answer::GiveUp(_) => None,
        }
    }

    fn judge(&mut self, outcome: &mut Outcome) {
        if self.monitor.is_none() {
            return;
        }
        let well = outcome.status == Status::Success;
        self.look_back(well);
        if self.by_lock_timeout && outcome.status == Status::Failure {
            outcome.reason = Some(Reason::LockTimeout);
        }
        warn(TOOL.name, self.seen.versions.since(&self.before, well).as_slice());
        if let Some(unmet) = self.expected.unmet(&self.before, &self.seen.versions).filter(|_| well) {
            warn(TOOL.name, &[unmet]);
            outcome.exit = Exit::Bad;
            outcome.status = Status::Failure;
            outcome.reason = Some(Reason::MigrationFailed);
        }
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
