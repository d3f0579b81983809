//! The migration beside its command: what it is told, how it is ended, what is recorded of it.

use anyhow::{Context, Result};
use common::cli::warn;
use common::env;
use common::event::{ChildUse, Detail, Reason, Status};
use common::exit::Exit;
use common::wrap::{Beside, Outcome};

use crate::TOOL;
use crate::child_env::options;
use crate::expected::Expected;
use crate::monitor::{Monitor, Order, Seen};
use crate::plan::Watched;
use crate::version::Versions;

/// A migration; by default one that nobody watches.
#[derive(Debug, Default)]
pub struct Migration {
    monitor: Option<Monitor>,
    env: Vec<(&'static str, String)>,
    expected: Expected,
    before: Versions,
    seen: Seen,
}

impl Migration {
    /// One that is watched; where that is not possible, and not required, it is told and no more.
    pub fn watched(database: Watched) -> Result<Self> {
        let Watched { address, required, name, expected, lock_timeout } = database;
        let begun = address.and_then(|address| {
            let order = Order { tool: TOOL.name, address, name: name.clone(), lock_timeout };
            Monitor::begin(order).context("the database cannot be reached")
        });
        match begun {
            Ok((monitor, preflight, before)) => {
                for line in preflight.warnings() {
                    warn(TOOL.name, &[line]);
                }
                let mut env = vec![("PGAPPNAME", name)];
                let options = options(preflight.server_version, lock_timeout, &env::system);
                env.extend(options.map(|options| ("PGOPTIONS", options)));
                Ok(Self { monitor: Some(monitor), env, expected, before, seen: Seen::default() })
            }
            Err(error) if required => Err(error.context("not run, for it cannot be watched")),
            Err(error) => {
                warn(TOOL.name, &[format!("the migration is not watched: {error:#}")]);
                Ok(Self::default())
            }
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

    fn judge(&mut self, outcome: &mut Outcome) {
        let Some(monitor) = &self.monitor else { return };
        let well = outcome.status == Status::Success;
        match monitor.ended(well) {
            Ok(seen) => self.seen = seen,
            Err(error) => warn(TOOL.name, &[format!("{error:#}")]),
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
            child,
        }
    }
}
