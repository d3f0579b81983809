//! Polls the migration's sessions, and reports, terminates or cancels according to the result.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use common::cli::warn;
use common::clock::{Clock, Stopwatch, SystemClock};
use common::duration::format_duration;

use super::begin_error::BeginError;
use super::config::MonitorConfig;
use super::lock_waits::LockWaits;
use super::report_schedule::{self, ReportSchedule};
use super::{messages, poll_interval, terminate};
use crate::schema::SchemaVersions;
use crate::server::{Blocker, LockRequest, Preflight, Server, Session};

/// The time between two polls of a migration that does not wait.
const INTERVAL: Duration = Duration::from_secs(1);

/// The time between two polls in the start phase; it is short, to observe even a short migration.
const START_INTERVAL: Duration = Duration::from_millis(100);
/// The length of the start phase.
const START_PHASE: Duration = Duration::from_secs(2);

/// The shortest time between two polls.
const MIN_INTERVAL: Duration = Duration::from_millis(50);

/// When to report that the command has no session, in seconds: a tool that has not connected under its name by then
/// will not do so.
const NO_SESSION_STEPS: &[u64] = &[5];

/// The state of the monitor between two polls. Times are since `started`.
#[derive(Debug)]
pub(super) struct Poller<S: Server> {
    pub(super) address: S::Address,
    pub(super) config: MonitorConfig,
    /// `None` while the connection is lost.
    pub(super) database: Option<S>,
    pub(super) clock: SystemClock,
    pub(super) started: Stopwatch,
    /// When the sessions were last polled.
    pub(super) last_poll: Duration,
    pub(super) waits: LockWaits,
    pub(super) blocked_max: Option<u64>,
    pub(super) has_found_session: bool,
    /// The wait that has not ended.
    pub(super) wait: Option<OngoingWait>,
    pub(super) run_reports: ReportSchedule,
    pub(super) no_session_reports: ReportSchedule,
    pub(super) terminated: Vec<String>,
}

/// A wait that has not ended, and the reports about it. Times are since the start of the poller.
#[derive(Debug)]
pub(super) struct OngoingWait {
    /// When it began.
    began: Duration,
    /// The requested locks, and when they were last queried.
    requests: (Vec<LockRequest>, Duration),
    /// When the blockers were last queried.
    blockers_polled: Option<Duration>,
    /// The blockers in the last report, and whether sessions waited behind the migration.
    parties: (Vec<i64>, bool),
    reports: ReportSchedule,
    /// Whether the statement was cancelled because of the lock timeout.
    cancelled: bool,
}

impl<S: Server> Poller<S> {
    pub(super) async fn begin(
        address: S::Address,
        config: MonitorConfig,
    ) -> Result<(Self, Preflight, SchemaVersions), BeginError> {
        let database: S = connect(&address, &config).await?;
        let preflight = database.preflight(config.lock_timeout).await?;
        let versions = SchemaVersions::read(&database).await.context("cannot read the schema's version")?;
        let clock = SystemClock;
        let poller = Self {
            address,
            config,
            database: Some(database),
            clock,
            started: Stopwatch::start(&clock),
            last_poll: Duration::ZERO,
            waits: LockWaits::default(),
            blocked_max: None,
            has_found_session: false,
            wait: None,
            run_reports: ReportSchedule::new(report_schedule::RUN),
            no_session_reports: ReportSchedule::new(NO_SESSION_STEPS),
            terminated: Vec::new(),
        };
        Ok((poller, preflight, versions))
    }

    /// Polls once, and reconnects if the connection is lost. Returns the time until the next poll.
    pub(super) async fn poll_or_reconnect(&mut self) -> Duration {
        match self.poll().await {
            Ok(pause) => pause,
            Err(error) => {
                if self.database.take().is_some() {
                    self.report(&[format!("monitoring is interrupted: {error:#}; the command continues")]);
                }
                if let Ok(database) = connect(&self.address, &self.config).await {
                    self.report(&["monitoring continues".to_owned()]);
                    self.database = Some(database);
                }
                INTERVAL
            }
        }
    }

    async fn poll(&mut self) -> Result<Duration> {
        let database = self.database.as_ref().ok_or_else(|| anyhow!("no connection"))?;
        let sessions = database.sessions().await?;
        let elapsed = self.started.elapsed(&self.clock);
        let last_poll = std::mem::replace(&mut self.last_poll, elapsed);
        if sessions.is_empty() {
            if !self.has_found_session
                && self.no_session_reports.is_due(elapsed)
                && let Some(reason) = S::NO_SESSION_REASON
            {
                self.report(&[format!(
                    "no database session of the command was found: {reason}; lock waits are unknown"
                )]);
            }
            if self.has_found_session {
                self.waits.record_poll(self.clock.instant(), None, false);
            }
            self.show(String::new());
        } else {
            self.has_found_session = true;
            if database.can_see_others() {
                self.blocked_max.get_or_insert(0);
            }
            if sessions.iter().any(|session| session.is_waiting) {
                self.check_lock_requests(last_poll, elapsed).await?;
            } else {
                self.wait = None;
            }
            match self.wait.take() {
                None => self.poll_running(&sessions, elapsed).await,
                Some(wait) => self.wait = Some(self.poll_waiting(wait, &sessions, elapsed).await?),
            }
        }
        let interval = match (self.waits.current(), elapsed) {
            (Some(age), _) => poll_interval::wait_length(age),
            (None, elapsed) if elapsed < START_PHASE => START_INTERVAL,
            _ => INTERVAL,
        };
        // At least four polls during a wait that reaches the lock timeout.
        let lock_interval = self.config.lock_timeout.map_or(INTERVAL, |limit| limit / 4);
        Ok(interval.min(lock_interval).max(MIN_INTERVAL))
    }

    /// Updates the requested locks and the start of the wait. The wait may have ended since the sessions were polled.
    async fn check_lock_requests(&mut self, last_poll: Duration, elapsed: Duration) -> Result<()> {
        let is_current = self.wait.as_ref().is_some_and(|wait| {
            elapsed < wait.requests.1 + poll_interval::lock_requests(elapsed.saturating_sub(wait.began))
        });
        let Some(database) = self.database.as_ref().filter(|_| !is_current) else { return Ok(()) };
        let requests = database.lock_requests().await?;
        let Some(longest) = requests.first() else {
            self.wait = None;
            return Ok(());
        };
        let reported = longest.waiting_for.map(|since| elapsed.saturating_sub(since));
        // If the server does not report it, the middle of the time since the last poll is the best estimate.
        let began =
            reported.or(self.wait.as_ref().map(|wait| wait.began)).unwrap_or((last_poll + elapsed) / 2);
        let wait = self.wait.get_or_insert_with(|| OngoingWait {
            began,
            requests: (Vec::new(), elapsed),
            blockers_polled: None,
            parties: (Vec::new(), false),
            reports: ReportSchedule::new(report_schedule::WAIT),
            cancelled: false,
        });
        (wait.began, wait.requests) = (began, (requests, elapsed));
        Ok(())
    }

    /// Handles a poll in which no session of the migration waits.
    async fn poll_running(&mut self, sessions: &[Session], elapsed: Duration) {
        let is_working = sessions.iter().any(Session::is_working);
        self.waits.record_poll(self.clock.instant(), None, is_working);
        let is_due = self.run_reports.is_due(elapsed);
        if !is_due && self.config.live.is_none() {
            return;
        }
        // An old server lacks some of the queried views; its progress is not reported.
        let progress = match &self.database {
            Some(database) => database.progress().await.unwrap_or_default(),
            None => Vec::new(),
        };
        self.show(messages::status_running(&progress));
        if is_due {
            self.report(&messages::running(elapsed, sessions, &progress));
        }
    }

    /// Handles a poll in which a session of the migration waits.
    async fn poll_waiting(
        &mut self,
        mut wait: OngoingWait,
        sessions: &[Session],
        elapsed: Duration,
    ) -> Result<OngoingWait> {
        let Some(database) = &self.database else { return Ok(wait) };
        let age = elapsed.saturating_sub(wait.began);
        self.waits.record_poll(self.clock.instant(), Some(age), true);
        if wait.blockers_polled.is_none_or(|last| elapsed >= last + poll_interval::blockers(age)) {
            wait.blockers_polled = Some(elapsed);
            let (blockers, waiters) = (database.blockers().await?, database.waiters().await?);
            self.blocked_max = self.blocked_max.max(waiters.count);
            self.show(messages::status_blocked(age, &blockers, waiters));
            let parties = (blockers.iter().map(|blocker| blocker.pid).collect(), waiters.count > Some(0));
            let has_changed = wait.parties != parties;
            wait.parties = parties;
            if wait.reports.is_due(age) || has_changed {
                self.report(&messages::blocked(age, &wait.requests.0, sessions, &blockers, waiters));
            }
            self.terminate(&blockers).await;
        }
        if !wait.cancelled {
            wait.cancelled = self.enforce_lock_timeout(sessions, &wait.requests.0, age).await?;
        }
        Ok(wait)
    }

    async fn terminate(&mut self, blockers: &[Blocker]) {
        let (Some(rules), Some(database)) = (&self.config.terminate, &self.database) else { return };
        match terminate::apply(database, rules, blockers, self.terminated.len()).await {
            Ok(actions) => {
                self.report(&actions);
                self.terminated.extend(actions);
            }
            Err(error) => {
                // The role may lack the privilege. The migration continues, and this is not tried again.
                self.report(&[format!("cannot terminate a blocker: {error:#}")]);
                self.config.terminate = None;
            }
        }
    }

    /// If the server does not enforce the lock timeout: cancels the statements that exceed it. Returns whether it did.
    async fn enforce_lock_timeout(
        &self,
        sessions: &[Session],
        requests: &[LockRequest],
        age: Duration,
    ) -> Result<bool> {
        let is_exceeded = self.config.lock_timeout.is_some_and(|limit| age >= limit);
        let Some(database) = self.database.as_ref().filter(|_| !S::ENFORCES_LOCK_TIMEOUT && is_exceeded)
        else {
            return Ok(false);
        };
        for session in
            sessions.iter().filter(|session| requests.iter().any(|request| request.pid == session.pid))
        {
            database.cancel(session).await?;
            self.report(&[format!(
                "cancelled the statement of the migration's session, pid {}: it waited {} for a lock",
                session.pid,
                format_duration(age)
            )]);
        }
        Ok(true)
    }

    fn show(&self, text: String) {
        if let Some(live) = &self.config.live {
            live.set(text);
        }
    }

    pub(super) fn report(&self, lines: &[String]) {
        for line in lines {
            warn(self.config.tool, std::slice::from_ref(line));
        }
    }
}

pub(super) async fn connect<S: Server>(
    address: &S::Address,
    config: &MonitorConfig,
) -> Result<S, BeginError> {
    let database = S::connect(address, &config.name).await.context("cannot connect to the database")?;
    if config.advisory_lock
        && let Some(lock_held) = database.try_lock().await?
    {
        return Err(lock_held.into());
    }
    Ok(database)
}
