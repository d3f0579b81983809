//! The end of a run: ends the migration's remaining sessions and sums up the observation.

use anyhow::{Context, Result};
use common::clock::Clock;

use super::cancel;
use super::observation::Observation;
use super::poller::{Poller, connect};
use crate::schema::SchemaState;
use crate::server::Server;

impl<S: Server> Poller<S> {
    pub(super) async fn cancel(&mut self) {
        let Some(database) = self.database.as_ref().filter(|_| !self.config.watch_only) else { return };
        match cancel::cancel(database).await {
            Ok(pids) => {
                for pid in pids {
                    self.report(&[format!("cancelled the statement of the migration's session, pid {pid}")]);
                }
            }
            Err(error) => self.report(&[format!("cannot cancel the migration's statement: {error:#}")]),
        }
    }

    pub(super) async fn close(&mut self, succeeded: bool) -> Observation {
        let now = self.clock.instant();
        self.waits.end(now);
        self.wait = None;
        if !succeeded && !self.config.watch_only {
            self.end_remaining().await;
        }
        let schema = self.schema().await;
        let cancelled = self.cancelled.take();
        if cancelled.is_some() {
            self.retries += 1;
        }
        Observation {
            lock_wait: self.waits.total(),
            blocked_max: self.blocked_max,
            cancelled,
            blocked_by: self.blocked_by.take(),
            elapsed: self.started.elapsed(&self.clock),
            terminated: self.terminated.clone(),
            progress: self.progress.last(),
            schema,
        }
    }

    /// The current state of the schema; if it cannot be read, reports that and returns the unknown state.
    async fn schema(&mut self) -> SchemaState {
        let version_table = self.config.version_table.clone();
        let result = match self.connected().await {
            Ok(database) => {
                let schema = SchemaState::read(database, version_table.as_ref()).await;
                database.release().await;
                schema
            }
            Err(error) => Err(error),
        };
        result.unwrap_or_else(|error| {
            self.report(&[format!("the schema's version is unknown: {error:#}")]);
            SchemaState::default()
        })
    }

    async fn connected(&mut self) -> Result<&S> {
        if self.database.as_ref().is_none_or(S::is_lost) {
            self.database = Some(connect(&self.address, &self.config).await?);
        }
        self.database.as_ref().context("no connection")
    }

    async fn end_remaining(&mut self) {
        let result = match self.connected().await {
            Ok(database) => cancel::end_remaining(database).await,
            Err(error) => Err(error),
        };
        self.report(&result.unwrap_or_else(|error| {
            vec![format!("cannot verify that no statement of the migration is left: {error:#}")]
        }));
    }
}
