//! The monitor's loop: a look at every turn, and what follows from it.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use common::cli::warn;
use common::clock::{Clock, Stopwatch, SystemClock};
use common::duration::show;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep_until};

use super::ladder::{self, Ladder};
use super::waits::Waits;
use super::{Command, Order, Seen, cancel, tell, terminate};
use crate::server::{Blocker, Own, Preflight, Server, Wanted};
use crate::version::Versions;

/// Between two looks at a migration that works.
const CALM: Duration = Duration::from_secs(1);

/// While it waits: the length of the wait is right to half of this.
const WAITING: Duration = Duration::from_millis(250);

/// At the beginning, so that a short migration is seen at all.
const EARLY: Duration = Duration::from_millis(100);
/// The length of the beginning.
const BEGINNING: Duration = Duration::from_secs(2);

/// No look comes sooner after another.
const SHORTEST: Duration = Duration::from_millis(50);

/// A tool that has not connected by now under the name it was given will not.
const NAMELESS: &[u64] = &[5];

/// Who waits for whom is dearer for the server than the rest: it is asked for so often at most.
const DETAIL: Duration = Duration::from_secs(1);

/// What goes on in the database.
#[derive(Debug)]
pub(super) struct Watch<S: Server> {
    address: S::Address,
    order: Order,
    /// `None` while the connection is lost.
    database: Option<S>,
    clock: SystemClock,
    started: Stopwatch,
    /// When it was last looked.
    looked: Duration,
    waits: Waits,
    blocked_max: Option<u64>,
    seen_own: bool,
    /// The wait that goes on.
    wait: Told,
    run_ladder: Ladder,
    nameless: Ladder,
    terminated: Vec<String>,
}

/// What is known, and was told, of one wait.
#[derive(Debug)]
struct Told {
    /// Its beginning, where the server does not tell that.
    began: Option<Duration>,
    /// When it was last found out who waits for whom.
    detailed: Option<Duration>,
    /// Who was last told to block us, and whether anybody waited behind.
    parties: (Vec<i64>, bool),
    ladder: Ladder,
    /// Whether it was cancelled for the lock timeout.
    cancelled: bool,
}

impl Default for Told {
    fn default() -> Self {
        let ladder = Ladder::new(ladder::WAIT);
        Self { began: None, detailed: None, parties: (Vec::new(), false), ladder, cancelled: false }
    }
}

impl<S: Server> Watch<S> {
    pub(super) async fn begin(address: S::Address, order: Order) -> Result<(Self, Preflight, Versions)> {
        let database: S = connect(&address, &order).await?;
        let preflight = database.preflight(order.lock_timeout).await?;
        let versions = Versions::find(&database).await.context("cannot read the schema's version")?;
        let clock = SystemClock;
        let watch = Self {
            address,
            order,
            database: Some(database),
            clock,
            started: Stopwatch::start(&clock),
            looked: Duration::ZERO,
            waits: Waits::default(),
            blocked_max: None,
            seen_own: false,
            wait: Told::default(),
            run_ladder: Ladder::new(ladder::RUN),
            nameless: Ladder::new(NAMELESS),
            terminated: Vec::new(),
        };
        Ok((watch, preflight, versions))
    }

    /// Until nobody gives commands any more.
    pub(super) async fn run(mut self, mut commands: UnboundedReceiver<Command>) {
        let mut next = Instant::now();
        loop {
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    None => return,
                    Some(Command::Cancel(reply)) => {
                        self.cancel().await;
                        // Nobody listens any more when it took too long.
                        let _ = reply.send(());
                    }
                    Some(Command::Ended { well, reply }) => {
                        let seen = self.close(well).await;
                        let _ = reply.send(seen);
                    }
                },
                () = sleep_until(next) => {
                    let pause = self.turn().await;
                    next = Instant::now() + pause;
                }
            }
        }
    }

    /// One look; then the time until the next.
    async fn turn(&mut self) -> Duration {
        match self.look().await {
            Ok(pause) => pause,
            Err(error) => {
                if self.database.take().is_some() {
                    self.say(&[format!("the database is not seen any more: {error:#}; the command goes on")]);
                }
                if let Ok(database) = connect(&self.address, &self.order).await {
                    self.say(&["the database is seen again".to_owned()]);
                    self.database = Some(database);
                }
                CALM
            }
        }
    }

    async fn look(&mut self) -> Result<Duration> {
        let database = self.database.as_ref().ok_or_else(|| anyhow!("no connection"))?;
        let own = database.own().await?;
        let elapsed = self.started.elapsed(&self.clock);
        let looked = std::mem::replace(&mut self.looked, elapsed);
        if own.is_empty() {
            if !self.seen_own
                && self.nameless.is_due(elapsed)
                && let Some(why) = S::NAMELESS
            {
                self.say(&[format!("no session of the command is seen: {why}; lock waits are unknown")]);
            }
            if self.seen_own {
                self.waits.looked(self.clock.instant(), None, false);
            }
            self.show(String::new());
        } else {
            self.seen_own = true;
            if database.sees_others() {
                self.blocked_max.get_or_insert(0);
            }
            // It may have got its lock between the two statements.
            let wanted = if own.iter().any(|own| own.waits) { database.wanted().await? } else { Vec::new() };
            if wanted.is_empty() {
                self.look_at_work(&own, elapsed).await;
            } else {
                // When it began, nobody saw: half of the time since the last look is the best guess.
                self.wait.began.get_or_insert((looked + elapsed) / 2);
                self.look_at_wait(&own, &wanted, elapsed).await?;
            }
        }
        let usual = match (self.waits.current(), elapsed) {
            (Some(_), _) => WAITING,
            (None, elapsed) if elapsed < BEGINNING => EARLY,
            _ => CALM,
        };
        // Four looks in each wait that ends by its limit.
        let fine = self.order.lock_timeout.map_or(CALM, |limit| limit / 4);
        Ok(usual.min(fine).max(SHORTEST))
    }

    /// None of ours waits.
    async fn look_at_work(&mut self, own: &[Own], elapsed: Duration) {
        let at_work = own.iter().any(Own::is_at_work);
        self.waits.looked(self.clock.instant(), None, at_work);
        self.wait = Told::default();
        let is_due = self.run_ladder.is_due(elapsed);
        if !is_due && self.order.live.is_none() {
            return;
        }
        // An old server does not know all of what it is asked for: then none is told.
        let progress = match &self.database {
            Some(database) => database.progress().await.unwrap_or_default(),
            None => Vec::new(),
        };
        self.show(tell::live_running(&progress));
        if is_due {
            self.say(&tell::running(elapsed, own, &progress));
        }
    }

    /// One of ours waits.
    async fn look_at_wait(&mut self, own: &[Own], wanted: &[Wanted], elapsed: Duration) -> Result<()> {
        let (Some(database), Some(longest)) = (&self.database, wanted.first()) else { return Ok(()) };
        let began = self.wait.began.unwrap_or(elapsed);
        let age = longest.since.unwrap_or(elapsed.saturating_sub(began));
        self.waits.looked(self.clock.instant(), Some(age), true);
        if self.wait.detailed.is_none_or(|last| elapsed >= last + DETAIL) {
            self.wait.detailed = Some(elapsed);
            let (blockers, victims) = (database.blockers().await?, database.victims().await?);
            self.blocked_max = self.blocked_max.max(victims.count);
            self.show(tell::live_blocked(age, &blockers, victims));
            let parties = (blockers.iter().map(|blocker| blocker.pid).collect(), victims.count > Some(0));
            let is_news = self.wait.parties != parties;
            self.wait.parties = parties;
            if self.wait.ladder.is_due(age) || is_news {
                self.say(&tell::blocked(age, wanted, own, &blockers, victims));
            }
            self.terminate(&blockers).await;
        }
        self.keep_lock_timeout(own, wanted, age).await
    }

    async fn terminate(&mut self, blockers: &[Blocker]) {
        let (Some(rules), Some(database)) = (&self.order.terminate, &self.database) else { return };
        match terminate::apply(database, rules, blockers, self.terminated.len()).await {
            Ok(acts) => {
                self.say(&acts);
                self.terminated.extend(acts);
            }
            Err(error) => {
                // Who may not signal others may still migrate; it is not tried once a second.
                self.say(&[format!("cannot terminate a blocker: {error:#}")]);
                self.order.terminate = None;
            }
        }
    }

    /// Where the sessions could not be told to give up by themselves: cancels a statement that waits for too long.
    async fn keep_lock_timeout(&mut self, own: &[Own], wanted: &[Wanted], age: Duration) -> Result<()> {
        let Some(database) = self.database.as_ref().filter(|_| !S::KEEPS_LOCK_TIMEOUT) else { return Ok(()) };
        if self.wait.cancelled || self.order.lock_timeout.is_none_or(|limit| age < limit) {
            return Ok(());
        }
        for session in own.iter().filter(|own| wanted.iter().any(|wanted| wanted.pid == own.pid)) {
            database.cancel(session).await?;
            self.say(&[format!(
                "cancelled the statement of the migration's session, pid {}: it waited {} for a lock",
                session.pid,
                show(age)
            )]);
        }
        self.wait.cancelled = true;
        Ok(())
    }

    async fn cancel(&mut self) {
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

    async fn close(&mut self, well: bool) -> Seen {
        let now = self.clock.instant();
        let last_wait = self.waits.longest(now);
        self.waits.end(now);
        self.wait = Told::default();
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

    fn show(&self, text: String) {
        if let Some(live) = &self.order.live {
            live.set(text);
        }
    }

    fn say(&self, lines: &[String]) {
        for line in lines {
            warn(self.order.tool, std::slice::from_ref(line));
        }
    }
}

async fn connect<S: Server>(address: &S::Address, order: &Order) -> Result<S> {
    let database = S::connect(address, &order.name).await.context("the database cannot be reached")?;
    if order.alone {
        database.lock().await?;
    }
    Ok(database)
}
