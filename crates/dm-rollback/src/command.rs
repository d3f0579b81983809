//! The command of this run: judge a deployment, or read or write the ledger.

use anyhow::{Context as _, Result, bail};
use common::args::non_empty;
use common::clock::{Clock, SystemClock};
use common::env;
use common::event::{Detail, Event};
use common::exit::Exit;
use common::label::Label;
use telemetry::{Context, deployment_events};

use crate::args::{Args, TOOL};
use crate::ledger::artifact::is_same_version;
use crate::ledger::history::History;
use crate::ledger::stamps::display_time;
use crate::ledger::{Attempt, EntryKind, KnownGood, ServiceLedger};
use crate::plan::{self, Plan};
use crate::run::judge_and_act;
use crate::safeguards::facts::SCHEMA_VERSION;

const NO_VERSION: &str = "the version is not known: give --app-version, or set DM_VERSION";

/// What this run does, as checked values.
#[derive(Debug)]
pub enum Command {
    /// Judges the deployment, and acts on the verdict.
    Judge(Box<Plan>),
    /// Records a version as known good.
    MarkGood {
        /// The ledger.
        ledger: LedgerHandle,
        /// The version.
        good: KnownGood,
        /// Why a check of this deployment proved it not good, although it was kept.
        objection: Option<String>,
        /// Whether it is recorded even if this deployment was rolled back, or there is an objection.
        allow_refused: bool,
    },
    /// Checks whether a version was rolled back.
    CheckVersion {
        /// The ledger.
        ledger: LedgerHandle,
        /// The version; `None` if it is not known.
        version: Option<Label>,
        /// Whether the version may be deployed even if it was rolled back.
        allow_refused: bool,
    },
}

/// The ledger of a service, and the current deployment.
#[derive(Debug)]
pub struct LedgerHandle {
    ledger: ServiceLedger,
    attempt: Attempt,
}

/// Checks the arguments.
///
/// # Errors
/// The arguments contradict each other, or a source or the state directory cannot be used.
pub fn plan(args: Args) -> Result<Command> {
    args.export.check_state_url()?;
    let flags = &args.safeguards;
    if !flags.mark_good && !flags.check_version {
        return Ok(Command::Judge(Box::new(plan::plan(args)?)));
    }
    if !args.command.is_empty() {
        bail!("--mark-good and --check-version run no command: remove what follows --");
    }
    if judges(&args) {
        bail!(
            "--mark-good and --check-version judge nothing: remove --if-…, --because, --provisional and --dry-run"
        );
    }
    let context = Context::resolve(TOOL.name, &args.deployment, &args.export)?;
    let identity = &context.identity;
    let ledger = LedgerHandle {
        ledger: ServiceLedger::open(&context.sinks, identity, flags.act_without_state)
            .map_err(anyhow::Error::msg)?,
        attempt: Attempt::first(identity.deployment.clone()),
    };
    let version = identity.version.clone();
    if flags.check_version {
        return Ok(Command::CheckVersion { ledger, version, allow_refused: flags.allow_refused });
    }
    let version = version.context(NO_VERSION)?;
    let release = non_empty(flags.release.as_ref());
    let schema = env::system(SCHEMA_VERSION).as_deref().and_then(Label::sanitize);
    let good = KnownGood { version, release, schema, assumed: flags.assumed };
    let objection = objection(&context)?;
    Ok(Command::MarkGood { ledger, good, objection, allow_refused: flags.allow_refused })
}

/// Why the last verdict on the requests after this deployment does not let its version be known as good.
fn objection(context: &Context) -> Result<Option<String>> {
    let events = deployment_events(&context.sinks, &context.identity).context("cannot read the journal")?;
    let is_ours = |event: &&Event| {
        (&event.identity.service, &event.identity.environment)
            == (&context.identity.service, &context.identity.environment)
    };
    let last = events.iter().filter(is_ours).rev().find(|event| {
        matches!(&event.detail, Detail::Rollback { evidence, no_worse, .. } if *no_worse || !evidence.is_empty())
    });
    Ok(match last.map(|event| &event.detail) {
        Some(Detail::Rollback { no_worse: true, why, .. }) => Some(why.clone().unwrap_or_default()),
        _ => None,
    })
}

/// Whether the flags ask for a verdict.
fn judges(args: &Args) -> bool {
    args.if_error_rate.is_some()
        || args.if_health_fails
        || args.if_smoke_fails
        || args.because.is_some()
        || args.source.if_latency.is_some()
        || !args.source.if_alert.is_empty()
        || args.trigger.from_alertmanager
        || args.safeguards.provisional
        || args.dry_run
}

/// Runs the command.
///
/// # Errors
/// A source or the ledger cannot be used, or stdout cannot be written.
pub fn run(command: Command) -> Result<Exit> {
    match command {
        Command::Judge(plan) => judge_and_act(*plan),
        Command::MarkGood { ledger, good, objection, allow_refused } => {
            ledger.mark_good(good, objection.filter(|_| !allow_refused).as_deref(), allow_refused)
        }
        Command::CheckVersion { ledger, version, allow_refused } => {
            ledger.check_version(version.as_ref(), allow_refused)
        }
    }
}

impl LedgerHandle {
    fn mark_good(&self, good: KnownGood, objection: Option<&str>, allow_refused: bool) -> Result<Exit> {
        let history = History::read(&self.ledger, SystemClock.now()).map_err(anyhow::Error::msg)?;
        let is_this = |failed: &Label| is_same_version(failed, &good.version);
        let rollback = history.rollback_of(&self.attempt.deployment);
        let rolled_back = rollback.filter(|it| it.intent.failed.as_ref().is_some_and(is_this));
        if let Some(rollback) = rolled_back.filter(|_| !allow_refused) {
            print(format!(
                "version {} is not recorded as known good: its deployment {} was rolled back at {}. If it was deployed \
                 again and is good, give --allow-refused",
                good.version,
                self.attempt.deployment,
                display_time(rollback.ts)
            ));
            return Ok(Exit::Failure);
        }
        if let Some(why) = objection {
            print(format!(
                "version {} is not recorded as known good: it was kept only because it is no worse than before ({why}). \
                 If a person decides that it is good, give --allow-refused",
                good.version
            ));
            return Ok(Exit::Failure);
        }
        let message = format!("recorded version {} as known good", good.version);
        let written = self.ledger.append(SystemClock.now(), &self.attempt, EntryKind::Good(good));
        written.map_err(anyhow::Error::msg)?;
        print(message);
        Ok(Exit::Success)
    }

    fn check_version(&self, version: Option<&Label>, allow_refused: bool) -> Result<Exit> {
        let Some(version) = version else {
            print(NO_VERSION.to_owned());
            return Ok(Exit::Inconclusive);
        };
        let history = History::read(&self.ledger, SystemClock.now()).map_err(anyhow::Error::msg)?;
        let Some(ts) = history.rolled_back_at(version).filter(|_| !allow_refused) else {
            return Ok(Exit::Success);
        };
        print(format!(
            "version {version} was rolled back at {}: deploy another version, or give --allow-refused",
            display_time(ts)
        ));
        Ok(Exit::Failure)
    }
}

fn print(message: String) {
    common::cli::warn(TOOL.name, &[message]);
}
