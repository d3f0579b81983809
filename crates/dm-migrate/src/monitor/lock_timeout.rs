//! The lock timeout: the monitor cancels a statement that waits for longer, if others can wait behind it and the command
//! can run again. Otherwise it says what it would do, and waits as the command alone would.

use std::time::Duration;

use common::duration::format_duration;

use anyhow::Result;

use super::poller::Poller;
use crate::retry::{Cancelled, NoRetry, check_unchanged};
use crate::schema::SchemaState;
use crate::server::{LockRequest, Server, WaitFacts};

/// What to do about a wait that has reached the lock timeout.
enum Verdict {
    /// Cancel its statement. The command can run again, or the user accepts that it cannot.
    Cancel(Result<(), NoRetry>),
    /// Do nothing, for this reason.
    Exempt(&'static str),
    /// Do nothing, because the command could not run again.
    Watch(NoRetry),
}

impl<S: Server> Poller<S> {
    /// Cancels the statements that have waited for too long. `age` is the length of a wait that the server does not report.
    pub(super) async fn enforce_lock_timeout(
        &mut self,
        requests: &[LockRequest],
        age: Duration,
    ) -> Result<()> {
        let Some(limit) = self.config.lock_timeout.as_ref().map(|timeout| timeout.limit) else {
            return Ok(());
        };
        for request in requests.iter().filter(|request| request.waiting_for.unwrap_or(age) >= limit) {
            let Some(database) = &self.database else { return Ok(()) };
            let Some(facts) = database.wait_facts(request).await? else { continue };
            match self.judge(facts).await {
                Verdict::Cancel(retry) => self.cancel_wait(request, age, retry).await,
                Verdict::Exempt(reason) => {
                    self.report_once(format!("the lock timeout does not end this wait: {reason}"));
                }
                Verdict::Watch(reason) => self.report_once(format!(
                    "the wait is longer than the lock timeout of {}, and is not ended, because the command could not run \
                     again: {reason}; to end such a wait and fail, give --lock-timeout",
                    format_duration(limit)
                )),
            }
        }
        Ok(())
    }

    async fn judge(&self, facts: WaitFacts) -> Verdict {
        if let Some(reason) = facts.exemption {
            return Verdict::Exempt(reason);
        }
        let is_explicit = self.config.lock_timeout.as_ref().is_some_and(|timeout| timeout.is_explicit);
        match self.can_retry(facts).await {
            Err(reason) if !is_explicit => Verdict::Watch(reason),
            retry => Verdict::Cancel(retry),
        }
    }

    /// Whether the command can run again after this wait is cancelled.
    async fn can_retry(&self, facts: WaitFacts) -> Result<(), NoRetry> {
        let Some(timeout) = &self.config.lock_timeout else { return Err(NoRetry::NoAttempts) };
        timeout.check(self.retries, self.started.elapsed(&self.clock))?;
        if self.before.versions.0.is_empty() {
            return Err(NoRetry::UnknownVersion);
        }
        if !facts.in_transaction {
            return Err(NoRetry::NoTransaction);
        }
        let Some(database) = &self.database else { return Err(NoRetry::Unreadable) };
        let now = SchemaState::read(database, self.config.version_table.as_ref())
            .await
            .map_err(|_| NoRetry::Unreadable)?;
        check_unchanged(&self.before, &now)
    }

    async fn cancel_wait(&mut self, request: &LockRequest, age: Duration, retry: Result<(), NoRetry>) {
        let (Some(timeout), Some(database)) = (&self.config.lock_timeout, &self.database) else { return };
        let waited = request.waiting_for.unwrap_or(age);
        match database.cancel_wait(request, timeout.limit, !timeout.is_explicit).await {
            Ok(true) => {
                self.cancelled = Some(Cancelled { waited, retry });
                self.report(&[format!(
                    "cancelled the statement of the migration's session, pid {}: it waited {} for a lock",
                    request.pid,
                    format_duration(waited)
                )]);
            }
            // The wait has ended, or has become one that may not be cancelled.
            Ok(false) => {}
            Err(error) => {
                self.report_once(format!("cannot cancel a statement that waits for too long: {error:#}"));
            }
        }
    }

    /// Reports a line, unless it was reported before.
    fn report_once(&mut self, line: String) {
        if self.reported.insert(line.clone()) {
            self.report(&[line]);
        }
    }
}
