//! Polls the migration's sessions, and reports, terminates or cancels according to the result.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use common::cli::warn;
use common::clock::{Clock, Stopwatch, SystemClock};
use common::duration::format_duration;
use common::random;
use tokio::time::sleep;

use super::begin_error::BeginError;
use super::config::MonitorConfig;
use super::lock_waits::LockWaits;
use super::progress::ProgressLog;
use super::report_schedule::{self, ReportSchedule};
use super::{messages, poll_interval, terminate};
use crate::leftover::Leftover;
use crate::retry::Cancelled;
use crate::schema::SchemaState;
use crate::server::{Blocker, GiveWay, LockRequest, Preflight, Server, Session};

/// The time between two polls of a migration that does not wait.
const INTERVAL: Duration = Duration::from_secs(1);

/// The time between two polls in the start phase; it is short, to observe even a short migration.
const START_INTERVAL: Duration = Duration::from_millis(100);
/// The length of the start phase.
const START_PHASE: Duration = Duration::from_secs(2);

/// The shortest time between two polls.
const MIN_INTERVAL: Duration = Duration::from_millis(50);

/// When to report that no session of the command was found, in seconds.
const NO_SESSION_STEPS: &[u64] = &[5];
/// The report.
const NO_SESSION: &str =
    "no database session of the command has been found so far; its lock waits are unknown";

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
    /// Whether the connection was closed because it was in the way of the migration.
    pub(super) gives_way: bool,
    /// The wait that has not ended.
    pub(super) wait: Option<OngoingWait>,
    pub(super) progress: ProgressLog,
    pub(super) run_reports: ReportSchedule,
    pub(super) no_session_reports: ReportSchedule,
    /// Whether it was reported that no session was found.
    pub(super) misses_session: bool,
    pub(super) terminated: Vec<String>,
    /// The state of the schema when the command began.
    pub(super) before: SchemaState,
    /// The statement of this attempt that was cancelled because of the lock timeout.
    pub(super) cancelled: Option<Cancelled>,
    /// Who blocked the last wait of this attempt, in short.
    pub(super) blocked_by: Option<String>,
    /// The number of attempts that ended so.
    pub(super) retries: u32,
    /// What is reported only once.
    pub(super) reported: BTreeSet<String>,
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
    /// When the lock timeout was last enforced.
    enforced: Option<Duration>,
}

impl<S: Server> Poller<S> {
    pub(super) async fn begin(
        address: S::Address,
        config: MonitorConfig,
    ) -> Result<(Self, Preflight, SchemaState), BeginError> {
        let database: S = connect_and_wait(&address, &config).await?;
        let mut preflight = database.preflight().await?;
        let before = SchemaState::read(&database, config.version_table.as_ref()).await?;
        preflight.warnings.extend(
            before.leftovers.iter().flatten().filter(|it| !it.can_be_intended).map(Leftover::describe),
        );
        database.release().await;
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
            gives_way: false,
            wait: None,
            progress: ProgressLog::default(),
            run_reports: ReportSchedule::new(report_schedule::RUN),
            no_session_reports: ReportSchedule::new(NO_SESSION_STEPS),
            misses_session: false,
            terminated: Vec::new(),
            before: before.clone(),
            cancelled: None,
            blocked_by: None,
            retries: 0,
            reported: BTreeSet::new(),
        };
        Ok((poller, preflight, before))
    }

    /// Polls once, and reconnects if the connection is lost. Returns the time until the next poll.
    pub(super) async fn poll_or_reconnect(&mut self) -> Duration {
        match self.poll().await {
            Ok(pause) => {
                if let Some(database) = &self.database {
                    database.release().await;
                }
                pause
            }
            Err(error) if error.is::<GiveWay>() => {
                self.gives_way = true;
                self.database = None;
                INTERVAL
            }
            Err(error) => {
                if self.database.take().is_some() && !self.gives_way {
                    self.report(&[format!("monitoring is interrupted: {error:#}; the command continues")]);
                }
                if let Ok(database) = connect(&self.address, &self.config).await {
                    if !std::mem::take(&mut self.gives_way) {
                        self.report(&["monitoring continues".to_owned()]);
                    }
                    self.database = Some(database);
                }
                INTERVAL
            }
        }
    }

    async fn poll(&mut self) -> Result<Duration> {
        let database = self.database.as_ref().ok_or_else(|| anyhow!("no connection"))?;
        if !database.can_poll() {
            return Ok(INTERVAL);
        }
        let sessions = database.sessions().await?;
        let elapsed = self.started.elapsed(&self.clock);
        let last_poll = std::mem::replace(&mut self.last_poll, elapsed);
        if sessions.is_empty() {
            if S::HAS_SESSIONS && !self.has_found_session && self.no_session_reports.is_due(elapsed) {
                self.report(&[NO_SESSION.to_owned()]);
                self.misses_session = true;
            }
            if self.has_found_session {
                self.waits.record_poll(self.clock.instant(), None);
            }
            self.show(String::new());
        } else {
            self.has_found_session = true;
            let sees_others = database.can_see_others();
            if std::mem::take(&mut self.misses_session) {
                self.report(&[
                    "a database session of the command was found; its lock waits are known from now on"
                        .to_owned(),
                ]);
            }
            if sees_others {
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
        let lock_interval = self.config.lock_timeout.as_ref().map_or(INTERVAL, |timeout| timeout.limit / 4);
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
            enforced: None,
        });
        (wait.began, wait.requests) = (began, (requests, elapsed));
        Ok(())
    }

    /// Handles a poll in which no session of the migration waits.
    async fn poll_running(&mut self, sessions: &[Session], elapsed: Duration) {
        self.waits.record_poll(self.clock.instant(), None);
        let is_due = self.run_reports.is_due(elapsed);
        if !is_due && self.config.live.is_none() && !self.progress.is_due(elapsed, sessions) {
            return;
        }
        // An old server lacks some of the queried views; its progress is not reported.
        let progress = match &self.database {
            Some(database) => database.progress().await.unwrap_or_default(),
            None => Vec::new(),
        };
        let progress = self.progress.add(elapsed, &progress);
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
        self.waits.record_poll(self.clock.instant(), Some(age));
        if wait.blockers_polled.is_none_or(|last| elapsed >= last + poll_interval::blockers(age)) {
            wait.blockers_polled = Some(elapsed);
            let (blockers, waiters) = (database.blockers().await?, database.waiters().await?);
            self.blocked_max = self.blocked_max.max(waiters.count);
            self.blocked_by = messages::blocked_by(&blockers);
            self.show(messages::status_blocked(age, &blockers, waiters));
            let parties = (blockers.iter().map(|blocker| blocker.pid).collect(), waiters.count > Some(0));
            let has_changed = wait.parties != parties;
            wait.parties = parties;
            if wait.reports.is_due(age) || has_changed {
                self.report(&messages::blocked(age, &wait.requests.0, sessions, &blockers, waiters));
            }
            self.terminate(&blockers).await;
        }
        // A reason not to end the wait can cease.
        if self.cancelled.is_none()
            && wait.enforced.is_none_or(|last| elapsed >= last + poll_interval::blockers(age))
        {
            let limit = self.config.lock_timeout.as_ref().map(|timeout| timeout.limit);
            wait.enforced =
                Some(elapsed).filter(|_| limit.is_some_and(|limit| age >= limit)).or(wait.enforced);
            self.enforce_lock_timeout(&wait.requests.0, age).await?;
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

/// Connects, and takes the advisory lock again if it is required.
pub(super) async fn connect<S: Server>(
    address: &S::Address,
    config: &MonitorConfig,
) -> Result<S, BeginError> {
    let database = S::connect(address, &config.name).await.context("cannot connect to the database")?;
    if config.advisory_lock.is_some()
        && let Some(lock_held) = database.try_lock().await?
    {
        return Err(lock_held.into());
    }
    Ok(database)
}

/// Connects, and waits for the advisory lock as long as allowed.
async fn connect_and_wait<S: Server>(address: &S::Address, config: &MonitorConfig) -> Result<S, BeginError> {
    let clock = SystemClock;
    let waiting = Stopwatch::start(&clock);
    let limit = config.advisory_lock.unwrap_or_default();
    let mut is_reported = false;
    loop {
        match connect(address, config).await {
            Err(BeginError::LockHeld(held)) if waiting.elapsed(&clock) < limit => {
                if !std::mem::replace(&mut is_reported, true) {
                    let limit = format_duration(limit);
                    warn(config.tool, &[format!("waiting up to {limit}: {}", held.describe())]);
                }
                // Several that wait do not ask at the same moments.
                sleep(INTERVAL + random::up_to(INTERVAL / 2)).await;
            }
            result => return result,
        }
    }
}
