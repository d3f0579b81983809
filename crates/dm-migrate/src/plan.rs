//! Turns the arguments into a plan.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use common::args::non_empty;
use common::env;
use common::event::{EventId, Reason};
use common::fs::bounded::{self, MAX_SMALL_BYTES};
use common::github_actions::GitHub;
use common::label::Stage;
use dm_stage::runner::{RetryPolicy, StageRun, Stdin, SuccessCriteria, Tail};
use secrecy::ExposeSecret as _;
use telemetry::{Context, WorkKind};

use crate::address::Address;
use crate::args::{Args, DatabaseArgs, TOOL};
use crate::check::{Check, Format};
use crate::monitor::{LiveStatus, MonitorConfig};
use crate::on_failure::{OnFailure, split_words};
use crate::postgres::child_env::application_name;
use crate::postgres::parameters::are_in_environment;
use crate::retry::LockTimeout;
use crate::schema::Expectation;
use crate::server::TerminateRules;
use crate::{postgres, sqlite};

/// The default lock timeout where the command can run again. It is short because other sessions wait behind the statement.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// How often, and for how long, the command is run again by default.
const LOCK_RETRIES: u32 = 10;
const LOCK_RETRY_TIME: Duration = Duration::from_mins(15);

/// What to do.
#[derive(Debug)]
pub enum Plan {
    /// Run a migration command.
    Run(Box<MigrationRun>),
    /// Check SQL before it runs.
    Check(Box<Check>),
}

/// A migration command, and how to monitor it.
#[derive(Debug)]
pub struct MigrationRun {
    /// The command as a stage.
    pub(crate) stage_run: StageRun,
    /// The database to monitor, if a URL is given.
    pub(crate) database: Option<WatchedDatabase>,
    /// The command to run after a failure.
    pub(crate) on_failure: Option<OnFailure>,
}

/// A database to monitor.
#[derive(Debug)]
pub(crate) struct WatchedDatabase {
    /// The address, or the reason why the URL cannot be parsed. The command can run without it.
    pub(crate) address: Result<Address>,
    /// Whether monitoring is required to run the command.
    pub(crate) required: bool,
    /// The expected state of the schema after the command.
    pub(crate) expectation: Expectation,
    /// Whether a constraint that is not validated is no failure.
    pub(crate) allow_unvalidated: bool,
    /// Whether the command connects to the same address, so that what is known about its server holds for the command.
    pub(crate) passes_options: bool,
    /// The configuration of the monitor.
    pub(crate) config: MonitorConfig,
}

/// Checks the arguments and turns them into a plan.
///
/// # Errors
/// There is no command, or the flags contradict each other or the database URL.
pub fn plan(args: Args) -> Result<Plan> {
    if let Some(source) = args.check.check {
        return Ok(Plan::Check(Box::new(check(
            source,
            args.check.autocommit,
            args.check.format,
            &args.database,
        )?)));
    }
    if args.command.first().is_none_or(|program| program.is_empty()) {
        bail!(
            "no migration command given: write dm-migrate -- COMMAND, such as dm-migrate -- sqlx migrate run"
        );
    }
    let stdin = Arc::new(Stdin::inspect(args.stdin));
    let database = watched_database(&args.database, args.status, &stdin)?;
    let stage_run = StageRun {
        context: Context::resolve(TOOL.name, &args.deployment, &args.export)?,
        stage: Stage::migration(),
        kind: WorkKind::Migration,
        criteria: SuccessCriteria::new(Reason::MigrationFailed),
        retry: RetryPolicy::default(),
        tail: Tail::IfKept,
        output: args.output.mode(),
        github: GitHub::default(),
        status: args.status,
        argv: args.command,
        stdin,
        timeout: args.limit.timeout,
        stop_signal: args.limit.signal,
        kill_after: args.limit.kill_after,
        may_outlive: args.limit.may_outlive,
    };
    let on_failure = args.on_failure.map(|command| on_failure(&command, &stage_run)).transpose()?;
    Ok(Plan::Run(Box::new(MigrationRun { stage_run, database, on_failure })))
}

fn check(source: PathBuf, autocommit: bool, format: Format, args: &DatabaseArgs) -> Result<Check> {
    let database = match given_address(args).0 {
        Some(Ok(Address::Postgres(address))) => Some(Ok(*address)),
        Some(Ok(Address::MySql(_) | Address::Sqlite(_))) => {
            bail!("--check knows the locks of PostgreSQL only, and the database is another one")
        }
        Some(Err(error)) => Some(Err(error)),
        None => None,
    };
    if args.require_monitor && database.is_none() {
        bail!("--require-monitor needs a database: set DATABASE_URL");
    }
    Ok(Check {
        source,
        database,
        is_database_required: args.require_monitor,
        version_table: args.version_table.clone(),
        autocommit,
        has_lock_timeout: non_empty(args.lock_timeout.as_ref()).is_some_and(|limit| !limit.is_zero()),
        format,
    })
}

/// The address of the database, or why it cannot be parsed; and whether it is that of the command.
fn given_address(args: &DatabaseArgs) -> (Option<Result<Address>>, bool) {
    let of_command = non_empty(args.database_url.as_ref()).map(|url| url.expose_secret().to_owned());
    let own = non_empty(args.monitor_url.as_ref()).map(|url| url.expose_secret().to_owned());
    let own = own.or_else(|| env::system("DIRECT_URL"));
    let is_of_command = own.is_none() || own == of_command;
    let address = match own.or(of_command) {
        Some(url) => Some(address(&url)),
        None => are_in_environment(&env::system).then(|| {
            postgres::address::Address::from_keywords("", &env::system)
                .map(|address| Address::Postgres(Box::new(address)))
                .context("the database of libpq's variables")
        }),
    };
    (address, is_of_command)
}

fn on_failure(command: &str, stage_run: &StageRun) -> Result<OnFailure> {
    let argv = split_words(command).context("--on-failure")?;
    let mut env = stage_run.context.child_env();
    env.push(("DM_PARENT_STAGE", stage_run.stage.to_string()));
    Ok(OnFailure { argv, env, timeout: stage_run.timeout, kill_after: stage_run.kill_after })
}

fn watched_database(args: &DatabaseArgs, live: bool, stdin: &Arc<Stdin>) -> Result<Option<WatchedDatabase>> {
    let expectation = Expectation { version: args.expect_version.clone(), change: args.expect_change };
    // An expectation can only be checked, and the lock can only be taken, with a connection.
    let required =
        args.require_monitor || args.advisory_lock.is_some() || expectation != Expectation::default();
    let (address, passes_options) = given_address(args);
    let Some(address) = address else {
        if required {
            bail!("--require-monitor, --expect-… and --advisory-lock need a database: set DATABASE_URL");
        }
        return Ok(None);
    };
    if args.terminate_blockers && !matches!(address, Ok(Address::Postgres(_)) | Err(_)) {
        bail!("--terminate-blockers is for PostgreSQL only");
    }
    let explicit = non_empty(args.lock_timeout.as_ref());
    if args.watch_only && (args.terminate_blockers || explicit.is_some()) {
        bail!(
            "--watch-only cancels and terminates nothing: it contradicts --lock-timeout and --terminate-blockers"
        );
    }
    // MySQL does not undo a cancelled change, so the user has to ask for a limit there.
    let default_timeout = matches!(address, Ok(Address::Postgres(_))).then_some(LOCK_TIMEOUT);
    let limit = explicit.or(default_timeout).filter(|limit| !limit.is_zero() && !args.watch_only);
    let lock_timeout = limit.map(|limit| LockTimeout {
        limit,
        is_explicit: explicit.is_some(),
        retries: non_empty(args.lock_retries.as_ref()).unwrap_or(LOCK_RETRIES),
        retry_time: non_empty(args.lock_retry_time.as_ref()).unwrap_or(LOCK_RETRY_TIME),
        stdin: Arc::clone(stdin),
    });
    let rules = || TerminateRules { state: args.blocker_state.clone(), min_age: args.blocker_min_age };
    let config = MonitorConfig {
        tool: TOOL.name,
        name: application_name(EventId::random().as_str(), &env::system),
        advisory_lock: args.advisory_lock,
        watch_only: args.watch_only,
        version_table: args.version_table.clone(),
        lock_timeout,
        terminate: args.terminate_blockers.then(rules),
        live: live.then(LiveStatus::default),
    };
    let allow_unvalidated = args.allow_unvalidated;
    Ok(Some(WatchedDatabase { address, required, expectation, allow_unvalidated, passes_options, config }))
}

fn address(url: &str) -> Result<Address> {
    let text = match url.strip_prefix("file:") {
        Some(path) if !sqlite::is_database(Path::new(path)) => {
            bounded::read_text(Path::new(path), MAX_SMALL_BYTES)
                .with_context(|| format!("cannot read {path}"))?
        }
        _ => url.to_owned(),
    };
    Address::parse(text.trim(), &env::system).context("the database URL")
}
