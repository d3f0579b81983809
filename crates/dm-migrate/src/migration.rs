//! The migration beside its command: what it is told, how it is ended, what is recorded of it.

use anyhow::{Context, Result};
use common::cli::warn;
use common::env;
use common::event::{ChildUse, Detail, Status};
use common::wrap::{Beside, Outcome};

use crate::TOOL;
use crate::child_env::options;
use crate::monitor::{Monitor, Order, Seen};
use crate::plan::Watched;

/// A migration; by default one that nobody watches.
#[derive(Debug, Default)]
pub struct Migration {
    monitor: Option<Monitor>,
    env: Vec<(&'static str, String)>,
    seen: Seen,
}

impl Migration {
    /// One that is watched; where that is not possible, and not required, it is told and no more.
    pub fn watched(database: Watched) -> Result<Self> {
        let Watched { address, required, name, lock_timeout } = database;
        let begun = address.and_then(|address| {
            let order = Order { tool: TOOL.name, address, name: name.clone(), lock_timeout };
            Monitor::begin(order).context("the database cannot be reached")
        });
        match begun {
            Ok((monitor, preflight)) => {
                for line in preflight.warnings() {
                    warn(TOOL.name, &[line]);
                }
                let mut env = vec![("PGAPPNAME", name)];
                let options = options(preflight.server_version, lock_timeout, &env::system);
                env.extend(options.map(|options| ("PGOPTIONS", options)));
                Ok(Self { monitor: Some(monitor), env, ..Self::default() })
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
        match monitor.ended(outcome.status == Status::Success) {
            Ok(seen) => self.seen = seen,
            Err(error) => warn(TOOL.name, &[format!("{error:#}")]),
        }
    }

    fn detail(self, child: ChildUse) -> Detail {
        Detail::Migration {
            before: None,
            after: None,
            dirty: None,
            lock_wait_s: self.seen.lock_wait.map(|wait| wait.as_secs_f64()),
            blocked_max: self.seen.blocked_max,
            child,
        }
    }
}
