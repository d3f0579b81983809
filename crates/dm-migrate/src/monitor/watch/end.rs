//! The end of what is watched: nothing of it is left at work, and what was seen is summed up.

use anyhow::{Context, Result};
use common::clock::Clock;

use super::{Watch, connect};
use crate::monitor::{Seen, cancel};
use crate::server::Server;
use crate::version::Versions;

impl<S: Server> Watch<S> {
    pub(super) async fn cancel(&mut self) {
        let Some(database) = &self.database else { return };
        match cancel::cancel(database).await {
            Ok(pids) => {
                for pid in pids {
                    self.say(&[format!("cancelled the statement of the migration's session, pid {pid}")]);
                }
            }
            Err(error) => self.say(&[format!("cannot cancel the migration's statement: {error:#}")]),
        }
    }

    pub(super) async fn close(&mut self, well: bool) -> Seen {
        let now = self.clock.instant();
        let last_wait = self.waits.longest(now);
        self.waits.end(now);
        self.wait = None;
        if !well {
            self.leave_nobody().await;
        }
        let versions = self.versions().await;
        Seen {
            lock_wait: self.waits.total(),
            blocked_max: self.blocked_max,
            last_wait,
            terminated: self.terminated.clone(),
            versions,
        }
    }

    /// Unknown, and told so, where they cannot be read.
    async fn versions(&mut self) -> Versions {
        let found = match self.connected().await {
            Ok(database) => Versions::find(database).await,
            Err(error) => Err(error),
        };
        found.unwrap_or_else(|error| {
            self.say(&[format!("the schema's version is unknown: {error:#}")]);
            Versions::default()
        })
    }

    async fn connected(&mut self) -> Result<&S> {
        if self.database.as_ref().is_none_or(S::is_lost) {
            self.database = Some(connect(&self.address, &self.order).await?);
        }
        self.database.as_ref().context("no connection")
    }

    async fn leave_nobody(&mut self) {
        let left = match self.connected().await {
            Ok(database) => cancel::leave_nobody(database).await,
            Err(error) => Err(error),
        };
        self.say(&left.unwrap_or_else(|error| {
            vec![format!("whether a statement of the migration is left is unknown: {error:#}")]
        }));
    }
}
