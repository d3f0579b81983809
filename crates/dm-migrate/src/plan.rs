//! What it means.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use common::context::Context;
use common::env;
use common::event::{EventId, Reason};
use common::flags::given;
use common::github::GitHub;
use common::scope::Work;
use common::wrap::{Rules, Wrap};

use crate::TOOL;
use crate::address::Address;
use crate::args::{Args, DatabaseArgs};
use crate::child_env::application_name;
use crate::expected::Expected;
use crate::monitor::terminate;

/// A migration.
#[derive(Debug)]
pub struct Plan {
    /// The command.
    pub wrap: Wrap,
    /// The database to watch.
    pub database: Option<Watched>,
}

/// A database to watch.
#[derive(Debug)]
pub struct Watched {
    /// Where it is; an error where that cannot be read, which is no reason not to run the command.
    pub address: Result<Address>,
    /// Whether it is one after all.
    pub required: bool,
    /// The `application_name` of the migration's sessions.
    pub name: String,
    /// Whether only one migration at a time may be watched there.
    pub alone: bool,
    /// What has to be true afterwards.
    pub expected: Expected,
    /// What these sessions may wait for a lock.
    pub lock_timeout: Option<Duration>,
    /// How often the command is run again, at most, after it failed by that.
    pub lock_retries: u32,
    /// Which other sessions may be ended.
    pub terminate: Option<terminate::Rules>,
}

/// Finds out what to run.
pub fn plan(args: Args) -> Result<Plan> {
    if args.command.first().is_none_or(|program| program.is_empty()) {
        bail!(
            "no migration command given: write dm-migrate -- COMMAND, such as dm-migrate -- sqlx migrate run"
        );
    }
    let database = watched(&args.database)?;
    let wrap = Wrap {
        context: Context::find(TOOL.name, &args.deployment, &args.export)?,
        stage: "migration".parse().map_err(anyhow::Error::msg)?,
        work: Work::Migration,
        rules: Rules::new(Reason::MigrationFailed),
        retries: 0,
        retry_delay: Duration::ZERO,
        tail: 0,
        github: GitHub::default(),
        status: false,
        argv: args.command,
        timeout: args.limit.timeout,
        kill_after: args.limit.kill_after,
        may_outlive: args.limit.may_outlive,
    };
    Ok(Plan { wrap, database })
}

fn watched(args: &DatabaseArgs) -> Result<Option<Watched>> {
    let expected = Expected { version: args.expect_version.clone(), change: args.expect_change };
    // What is expected has to be seen, and what is locked has to be reached.
    let required = args.require_monitor || args.advisory_lock || expected != Expected::default();
    let Some(url) = given(args.database_url.as_ref()) else {
        if required {
            bail!("--require-monitor, --expect-… and --advisory-lock need a database: set DATABASE_URL");
        }
        return Ok(None);
    };
    Ok(Some(Watched {
        address: address(&url),
        required,
        alone: args.advisory_lock,
        expected,
        name: application_name(EventId::random().as_str(), &env::system),
        lock_timeout: (!args.lock_timeout.is_zero()).then_some(args.lock_timeout),
        lock_retries: args.lock_retries,
        terminate: args
            .terminate_blockers
            .then(|| terminate::Rules { state: args.blocker_state.clone(), min_age: args.blocker_min_age }),
    }))
}

fn address(url: &str) -> Result<Address> {
    let text = match url.strip_prefix("file:") {
        Some(path) => std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?,
        None => url.to_owned(),
    };
    Address::parse(text.trim(), &env::system).context("the database URL")
}
