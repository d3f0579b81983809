//! The command of this run: judge a deployment, or read or write the ledger.

use anyhow::{Context as _, Result, bail};
use common::args::non_empty;
use common::clock::{Clock, SystemClock};
use common::env;
use common::exit::Exit;
use common::label::Label;
use telemetry::Context;

use crate::args::{Args, TOOL};
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
    MarkGood(LedgerHandle, KnownGood),
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
    Ok(Command::MarkGood(ledger, KnownGood { version, release, schema, assumed: flags.assumed }))
}

/// Runs the command.
///
/// # Errors
/// A source or the ledger cannot be used, or stdout cannot be written.
pub fn run(command: Command) -> Result<Exit> {
    match command {
        Command::Judge(plan) => judge_and_act(*plan),
        Command::MarkGood(ledger, version) => ledger.mark_good(version),
        Command::CheckVersion { ledger, version, allow_refused } => {
            ledger.check_version(version.as_ref(), allow_refused)
        }
    }
}

impl LedgerHandle {
    fn mark_good(&self, good: KnownGood) -> Result<Exit> {
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
