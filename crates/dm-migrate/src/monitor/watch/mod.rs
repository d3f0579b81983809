//! The monitor's loop: a look at every turn, and what follows from it.

mod end;
mod pace;

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use common::cli::warn;
use common::clock::{Clock, Stopwatch, SystemClock};
use common::duration::format_duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep_until};

use super::ladder::{self, Ladder};
use super::waits::Waits;
use super::{Command, Order, tell, terminate};
use crate::server::{Blocker, Own, Preflight, Server, Wanted};
use crate::version::Versions;

/// Between two looks at a migration that works.
const CALM: Duration = Duration::from_secs(1);

/// At the beginning, so that a short migration is seen at all.
const EARLY: Duration = Duration::from_millis(100);
/// The length of the beginning.
const BEGINNING: Duration = Duration::from_secs(2);

/// No look comes sooner after another.
const SHORTEST: Duration = Duration::from_millis(50);

/// A tool that has not connected by now under the name it was given will not.
const NAMELESS: &[u64] = &[5];

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
    wait: Option<Told>,
    run_ladder: Ladder,
    nameless: Ladder,
    terminated: Vec<String>,
}

/// What is known, and was told, of one wait.
#[derive(Debug)]
struct Told {
    /// When it began.
    began: Duration,
    /// What is wanted, and when that was last asked.
    wanted: (Vec<Wanted>, Duration),
    /// When it was last found out who waits for whom.
    detailed: Option<Duration>,
    /// Who was last told to block us, and whether anybody waited behind.
    parties: (Vec<i64>, bool),
    ladder: Ladder,
    /// Whether it was cancelled for the lock timeout.
    cancelled: bool,
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
            wait: None,
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
            if own.iter().any(|own| own.waits) {
                self.ask_what_is_wanted(looked, elapsed).await?;
            } else {
                self.wait = None;
            }
            match self.wait.take() {
                None => self.look_at_work(&own, elapsed).await,
                Some(wait) => self.wait = Some(self.look_at_wait(wait, &own, elapsed).await?),
            }
        }
        let usual = match (self.waits.current(), elapsed) {
            (Some(age), _) => pace::look(age),
            (None, elapsed) if elapsed < BEGINNING => EARLY,
            _ => CALM,
        };
        // Four looks in each wait that ends by its limit.
        let fine = self.order.lock_timeout.map_or(CALM, |limit| limit / 4);
        Ok(usual.min(fine).max(SHORTEST))
    }

    /// One of ours waits: for what, and since when. That may be over between two statements.
    async fn ask_what_is_wanted(&mut self, looked: Duration, elapsed: Duration) -> Result<()> {
        let is_known = self
            .wait
            .as_ref()
            .is_some_and(|wait| elapsed < wait.wanted.1 + pace::wanted(elapsed.saturating_sub(wait.began)));
        let Some(database) = self.database.as_ref().filter(|_| !is_known) else { return Ok(()) };
        let wanted = database.wanted().await?;
        let Some(longest) = wanted.first() else {
            self.wait = None;
            return Ok(());
        };
        let told = longest.since.map(|since| elapsed.saturating_sub(since));
        // Where nobody tells, half of the time since the last look is the best guess.
        let began = told.or(self.wait.as_ref().map(|wait| wait.began)).unwrap_or((looked + elapsed) / 2);
        let wait = self.wait.get_or_insert_with(|| Told {
            began,
            wanted: (Vec::new(), elapsed),
            detailed: None,
            parties: (Vec::new(), false),
            ladder: Ladder::new(ladder::WAIT),
            cancelled: false,
        });
        (wait.began, wait.wanted) = (began, (wanted, elapsed));
        Ok(())
    }

    /// None of ours waits.
    async fn look_at_work(&mut self, own: &[Own], elapsed: Duration) {
        let at_work = own.iter().any(Own::is_at_work);
        self.waits.looked(self.clock.instant(), None, at_work);
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
    async fn look_at_wait(&mut self, mut wait: Told, own: &[Own], elapsed: Duration) -> Result<Told> {
        let Some(database) = &self.database else { return Ok(wait) };
        let age = elapsed.saturating_sub(wait.began);
        self.waits.looked(self.clock.instant(), Some(age), true);
        if wait.detailed.is_none_or(|last| elapsed >= last + pace::details(age)) {
            wait.detailed = Some(elapsed);
            let (blockers, victims) = (database.blockers().await?, database.victims().await?);
            self.blocked_max = self.blocked_max.max(victims.count);
            self.show(tell::live_blocked(age, &blockers, victims));
            let parties = (blockers.iter().map(|blocker| blocker.pid).collect(), victims.count > Some(0));
            let is_news = wait.parties != parties;
            wait.parties = parties;
            if wait.ladder.is_due(age) || is_news {
                self.say(&tell::blocked(age, &wait.wanted.0, own, &blockers, victims));
            }
            self.terminate(&blockers).await;
        }
        if !wait.cancelled {
            wait.cancelled = self.keep_lock_timeout(own, &wait.wanted.0, age).await?;
        }
        Ok(wait)
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

    /// Where the sessions could not be told to give up by themselves: cancels a statement that waits for too long, and
    /// says whether it did.
    async fn keep_lock_timeout(&self, own: &[Own], wanted: &[Wanted], age: Duration) -> Result<bool> {
        let is_over = self.order.lock_timeout.is_some_and(|limit| age >= limit);
        let Some(database) = self.database.as_ref().filter(|_| !S::KEEPS_LOCK_TIMEOUT && is_over) else {
            return Ok(false);
        };
        for session in own.iter().filter(|own| wanted.iter().any(|wanted| wanted.pid == own.pid)) {
            database.cancel(session).await?;
            self.say(&[format!(
                "cancelled the statement of the migration's session, pid {}: it waited {} for a lock",
                session.pid,
                format_duration(age)
            )]);
        }
        Ok(true)
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
