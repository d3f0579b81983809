//! The monitor's loop: a look at every turn, and what follows from it.

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

/// Between two looks at a migration that works.
const STEADY: Duration = Duration::from_secs(1);

/// At the beginning, so that a short migration is seen at all.
const START: Duration = Duration::from_millis(100);
/// The length of the beginning.
const START_PHASE: Duration = Duration::from_secs(2);

/// No look comes sooner after another.
const MINIMUM: Duration = Duration::from_millis(50);

/// A tool that has not connected by now under the name it was given will not.
const NO_SESSION: &[u64] = &[5];

/// What goes on in the database.
#[derive(Debug)]
pub(super) struct Poller<S: Server> {
    pub(super) address: S::Address,
    pub(super) config: MonitorConfig,
    /// `None` while the connection is lost.
    pub(super) database: Option<S>,
    pub(super) clock: SystemClock,
    pub(super) started: Stopwatch,
    /// When it was last last_poll.
    pub(super) last_poll: Duration,
    pub(super) waits: LockWaits,
    pub(super) blocked_max: Option<u64>,
    pub(super) has_seen_session: bool,
    /// The wait that goes on.
    pub(super) wait: Option<OngoingWait>,
    pub(super) run_reports: ReportSchedule,
    pub(super) no_session_reports: ReportSchedule,
    pub(super) terminated: Vec<String>,
}

/// What is known, and was told, of one wait.
#[derive(Debug)]
pub(super) struct OngoingWait {
    /// When it began.
    began: Duration,
    /// What is requests, and when that was last asked.
    requests: (Vec<LockRequest>, Duration),
    /// When it was last found out who waits for whom.
    blockers_polled: Option<Duration>,
    /// Who was last told to block us, and whether anybody waited behind.
    parties: (Vec<i64>, bool),
    reports: ReportSchedule,
    /// Whether it was cancelled for the lock timeout.
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
            has_seen_session: false,
            wait: None,
            run_reports: ReportSchedule::new(report_schedule::RUN),
            no_session_reports: ReportSchedule::new(NO_SESSION),
            terminated: Vec::new(),
        };
        Ok((poller, preflight, versions))
    }

    /// One look; then the time until the next.
    pub(super) async fn turn(&mut self) -> Duration {
        match self.poll().await {
            Ok(pause) => pause,
            Err(error) => {
                if self.database.take().is_some() {
                    self.report(&[format!(
                        "the database is not seen any more: {error:#}; the command goes on"
                    )]);
                }
                if let Ok(database) = connect(&self.address, &self.config).await {
                    self.report(&["the database is seen again".to_owned()]);
                    self.database = Some(database);
                }
                STEADY
            }
        }
    }

    async fn poll(&mut self) -> Result<Duration> {
        let database = self.database.as_ref().ok_or_else(|| anyhow!("no connection"))?;
        let sessions = database.sessions().await?;
        let elapsed = self.started.elapsed(&self.clock);
        let last_poll = std::mem::replace(&mut self.last_poll, elapsed);
        if sessions.is_empty() {
            if !self.has_seen_session
                && self.no_session_reports.is_due(elapsed)
                && let Some(why) = S::NO_SESSION_REASON
            {
                self.report(&[format!("no session of the command is seen: {why}; lock waits are unknown")]);
            }
            if self.has_seen_session {
                self.waits.record_poll(self.clock.instant(), None, false);
            }
            self.show(String::new());
        } else {
            self.has_seen_session = true;
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
        let usual = match (self.waits.current(), elapsed) {
            (Some(age), _) => poll_interval::wait_length(age),
            (None, elapsed) if elapsed < START_PHASE => START,
            _ => STEADY,
        };
        // Four looks in each wait that ends by its limit.
        let fine = self.config.lock_timeout.map_or(STEADY, |limit| limit / 4);
        Ok(usual.min(fine).max(MINIMUM))
    }

    /// One of ours waits: for what, and since when. That may be over between two statements.
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
        // Where nobody tells, half of the time since the last look is the best guess.
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

    /// None of ours waits.
    async fn poll_running(&mut self, sessions: &[Session], elapsed: Duration) {
        let at_work = sessions.iter().any(Session::is_at_work);
        self.waits.record_poll(self.clock.instant(), None, at_work);
        let is_due = self.run_reports.is_due(elapsed);
        if !is_due && self.config.live.is_none() {
            return;
        }
        // An old server does not know all of what it is asked for: then none is told.
        let progress = match &self.database {
            Some(database) => database.progress().await.unwrap_or_default(),
            None => Vec::new(),
        };
        self.show(messages::status_running(&progress));
        if is_due {
            self.report(&messages::running(elapsed, sessions, &progress));
        }
    }

    /// One of ours waits.
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
            let is_news = wait.parties != parties;
            wait.parties = parties;
            if wait.reports.is_due(age) || is_news {
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
            Ok(acts) => {
                self.report(&acts);
                self.terminated.extend(acts);
            }
            Err(error) => {
                // Who may not signal others may still migrate; it is not tried once a second.
                self.report(&[format!("cannot terminate a blocker: {error:#}")]);
                self.config.terminate = None;
            }
        }
    }

    /// Where the sessions could not be told to give up by themselves: cancels a statement that waits for too long, and
    /// says whether it did.
    async fn enforce_lock_timeout(
        &self,
        sessions: &[Session],
        requests: &[LockRequest],
        age: Duration,
    ) -> Result<bool> {
        let is_over = self.config.lock_timeout.is_some_and(|limit| age >= limit);
        let Some(database) = self.database.as_ref().filter(|_| !S::ENFORCES_LOCK_TIMEOUT && is_over) else {
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
    let database = S::connect(address, &config.name).await.context("the database cannot be reached")?;
    if config.alone
        && let Some(held) = database.try_lock().await?
    {
        return Err(held.into());
    }
    Ok(database)
}
