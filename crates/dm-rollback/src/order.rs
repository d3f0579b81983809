//! What this run is for: to judge a deployment, or to ask or tell the ledger something.

use anyhow::{Context as _, Error, Result, bail};
use common::clock::{Clock, SystemClock};
use common::exit::Exit;
use common::label::Label;
use telemetry::context::Context;

use crate::TOOL;
use crate::args::Args;
use crate::guard::history_of;
use crate::ledger::{KnownGood, Ledger, EntryKind};
use crate::plan::{self, Plan};
use crate::safeguards::shown;

/// What is to be done.
#[derive(Debug)]
pub enum Order {
    /// Judge, and act on the verdict.
    Judge(Box<Plan>),
    /// Remember that a version is good.
    MarkGood(Book, KnownGood),
    /// Say whether a version was rolled back from; `allowed` where that is no matter.
    CheckVersion {
        /// The ledger.
        book: Book,
        /// The version, where it is known.
        version: Option<Label>,
        /// Whether it may be deployed all the same.
        allowed: bool,
    },
}

/// The ledger, and the deployment that it is asked or told about.
#[derive(Debug)]
pub struct Book {
    ledger: Ledger,
    deployment: Label,
}

/// Finds out what to do.
pub fn order(args: Args) -> Result<Order> {
    let guard = &args.safeguards;
    if !guard.mark_good && !guard.check_version {
        return Ok(Order::Judge(Box::new(plan::plan(args)?)));
    }
    if !args.command.is_empty() {
        bail!("--mark-good and --check-version run no command");
    }
    let context = Context::resolve(TOOL.name, &args.deployment, &args.export)?;
    let identity = &context.identity;
    let folder =
        context.sinks.state_dir.as_ref().context("there is no folder for the ledger: set DM_STATE_DIR")?;
    let book = Book { ledger: Ledger::new(folder, identity), deployment: identity.deployment.clone() };
    let version = identity.version.clone();
    if guard.check_version {
        return Ok(Order::CheckVersion { book, version, allowed: guard.allow_refused });
    }
    let version = version.context("which version? Give --app-version, or DM_VERSION")?;
    let release = common::args::non_empty(guard.release.as_ref());
    let schema = common::env::system(crate::facts::SCHEMA_VERSION).as_deref().and_then(Label::sanitize);
    Ok(Order::MarkGood(book, KnownGood { version, release, schema }))
}

/// Does it.
pub fn run(order: Order) -> Result<Exit> {
    match order {
        Order::Judge(plan) => crate::run(*plan),
        Order::MarkGood(book, good) => book.mark_good(good),
        Order::CheckVersion { book, version, allowed } => book.check_version(version.as_ref(), allowed),
    }
}

impl Book {
    fn mark_good(&self, good: KnownGood) -> Result<Exit> {
        let told = format!("version {} is known to be good", good.version);
        let path = self.ledger.path();
        let kept = self.ledger.append(SystemClock.now(), &self.deployment, EntryKind::Good(good));
        kept.with_context(|| format!("cannot write the ledger {}", path.display()))?;
        tell(&told);
        Ok(Exit::Success)
    }

    fn check_version(&self, version: Option<&Label>, allowed: bool) -> Result<Exit> {
        let Some(version) = version else {
            tell("which version? Give --app-version, or DM_VERSION");
            return Ok(Exit::Inconclusive);
        };
        let history = history_of(&self.ledger).map_err(Error::msg)?;
        let Some(since) = history.refused(version).filter(|_| !allowed) else {
            return Ok(Exit::Success);
        };
        tell(&format!(
            "version {version} was rolled back from at {}: deploy another, or say --allow-refused",
            shown(since)
        ));
        Ok(Exit::Failure)
    }
}

fn tell(text: &str) {
    common::cli::warn(TOOL.name, &[text.to_owned()]);
}
