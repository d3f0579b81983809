//! Exclusive deployments: one at a time for a service in an environment, by a lease in the shared state.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::{Context as _, Result};
use common::cli::warn;
use common::clock::{Clock as _, SystemClock};
use common::duration::format_duration;
use common::exit::Exit;
use common::fs::PrivateDir;
use common::identity::{Identity, random_hex};
use common::runtime;
use state_store::{
    AcquireError, Acquired, HeldLease, Holder, Lease, LeaseRequest, Patience, SharedState, StoreError,
    StoreUrl, Trouble,
};
use telemetry::Context;

/// How long a lease is valid that is held from `--start` to `--finish`, between processes. Each tool of the deployment
/// that writes to the shared state renews it.
const TWO_STEP_TTL: Duration = Duration::from_hours(1);

/// The folder of the state directory with the leases, if no state is shared.
const LEASES: &str = "lease";

/// How long the store may take for one change, and how much longer while others change the same document.
const LIMIT: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_mins(2);

/// How long the release may take after the command has ended, unless the budget for exporting is longer.
const RELEASE_LIMIT: Duration = Duration::from_secs(5);

/// What holds the lease of a deployment in this process.
#[derive(Debug)]
pub(crate) struct ExclusiveDeployment(HeldLease);

/// The result of asking for the lease.
#[derive(Debug)]
pub(crate) enum Answer<T> {
    /// The deployment may begin.
    Acquired(T),
    /// It may not; the tool ends with this.
    Refused(Exit),
}

/// Acquires the lease for a deployment that runs in this process.
pub(crate) fn begin(context: &Context, wait: Duration) -> Result<Answer<ExclusiveDeployment>> {
    let (acquired, state) = match acquire(context, wait, context.lease_ttl, true)? {
        Answer::Acquired(acquired) => acquired,
        Answer::Refused(exit) => return Ok(Answer::Refused(exit)),
    };
    let context_of_thread = context.clone();
    // The command goes on: half a deployment would be worse than two at the same time.
    let on_trouble = move |trouble: Trouble| {
        let context = &context_of_thread;
        let message = match trouble {
            Trouble::Lost(present) => lost(context, present.as_deref()),
            Trouble::NotRenewed(error) => format!(
                "the lease of this deployment was not renewed for {}, so another deployment may begin beside it: {error}",
                format_duration(context.lease_ttl)
            ),
        };
        warn(context.tool, &[message]);
    };
    let lease = HeldLease::keep(state, &acquired, context.lease_ttl, on_trouble)
        .context("cannot renew the lease of the deployment")?;
    Ok(Answer::Acquired(ExclusiveDeployment(lease)))
}

/// Acquires the lease for a deployment that other processes continue and end.
pub(crate) fn start(context: &Context, wait: Duration) -> Result<Answer<()>> {
    Ok(match acquire(context, wait, TWO_STEP_TTL, false)? {
        Answer::Acquired(_) => Answer::Acquired(()),
        Answer::Refused(exit) => Answer::Refused(exit),
    })
}

/// Releases the lease of a deployment that another process began, perhaps on another machine. If that fails, the lease
/// expires. `is_told` says that the deployment was begun as the only one; otherwise the store is asked.
pub(crate) fn finish(context: &Context, is_told: bool) {
    let has_store = || {
        let folder = context.sinks.state_dir.as_ref();
        context.sinks.state_url.is_some() || folder.is_some_and(|folder| folder.join(LEASES).exists())
    };
    if !is_told && !has_store() {
        return;
    }
    let deployment = context.identity.deployment.as_str();
    let is_its = |lease: &Lease| !lease.is_renewed && lease.holder.deployment == deployment;
    let budget = context.sinks.budget;
    // A deployment that knows of no lease does not wait longer than for exporting.
    let limit = if is_told { budget.max(RELEASE_LIMIT) } else { budget };
    let mut is_held = is_told;
    let released = open(context).and_then(|mut state| {
        let lease = state.remembered().and_then(|document| document.lease.as_ref());
        is_held |= lease.is_some_and(is_its);
        let release = async {
            let deadline = tokio::time::Instant::now() + limit;
            let release = state.update(deadline, |document| {
                document.release_deployment(deployment);
                Ok::<_, StoreError>(())
            });
            release.await
        };
        Ok(runtime::block_on(release)??)
    });
    if let Err(error) = released
        && is_held
    {
        warn(context.tool, &[format!("the lease of the deployment is not released, and expires: {error:#}")]);
    }
}

impl ExclusiveDeployment {
    /// Releases the lease. If that fails, the lease expires. Returns how the tool ends whose command ended with `exit`: not
    /// as a success, if the deployment was not the only one.
    pub(crate) fn end(self, context: &Context, exit: Exit) -> Exit {
        match self.0.release(context.sinks.budget.max(RELEASE_LIMIT)) {
            Ok(false) if matches!(exit, Exit::Success | Exit::Child(0)) => Exit::WrapperFault,
            Ok(_) => exit,
            Err(error) => {
                let message = format!("the lease of the deployment is not released, and expires: {error}");
                warn(context.tool, &[message]);
                exit
            }
        }
    }
}

/// Says that the lease of this deployment is gone, and who has it now.
fn lost(context: &Context, present: Option<&Lease>) -> String {
    let now = present.map_or_else(|| "it is free now".to_owned(), |lease| describe(context, lease));
    format!(
        "this deployment has lost its lease, because it was not renewed for {}: {now}. Its command goes on, so two \
         deployments may run at the same time: check what is live afterwards",
        format_duration(context.lease_ttl)
    )
}

fn acquire(
    context: &Context,
    wait: Duration,
    ttl: Duration,
    is_renewed: bool,
) -> Result<Answer<(Acquired, SharedState)>> {
    let mut state = open(context)?;
    let holder = Holder::of(&context.identity, "deployment", SystemClock.now());
    let request = LeaseRequest { holder, nonce: random_hex(8), ttl_s: ttl.as_secs(), is_renewed };
    let mut is_announced = false;
    let on_wait = |lease: &Lease, at_most: Duration| {
        if !std::mem::replace(&mut is_announced, true) {
            let message =
                format!("{}; waiting for at most {}", describe(context, lease), format_duration(at_most));
            warn(context.tool, &[message]);
        }
    };
    let patience = Patience { living: wait, doubts_all: false };
    let acquiring = state.acquire_lease(&request, patience, LIMIT, on_wait, |_, _| Ok::<_, Infallible>(()));
    match runtime::block_on(acquiring)? {
        Ok((acquired, ())) => {
            if let Some(dead) = &acquired.expired {
                let message = format!(
                    "{}, and does not renew it any more: taking over. It may have left its work half done",
                    describe(context, dead)
                );
                warn(context.tool, &[message]);
            }
            Ok(Answer::Acquired((acquired, state)))
        }
        Err(AcquireError::Held { lease, rest }) => {
            let advice = if wait.is_zero() { ", or give --exclusive='wait 10m'" } else { "" };
            let live = lease.deployed_version().map(|version| format!("; {version} may be live"));
            let message = format!(
                "not started, nothing was deployed: {}{}. If it is dead, its lease expires in {}: try again then{advice}",
                describe(context, &lease),
                live.unwrap_or_default(),
                format_duration(rest)
            );
            warn(context.tool, &[message]);
            Ok(Answer::Refused(Exit::TryLater))
        }
        Err(AcquireError::Refused(never)) => match never {},
        Err(AcquireError::Store(error)) => {
            let message = format!("not started: cannot tell whether another deployment runs: {error}");
            warn(context.tool, &[message]);
            Ok(Answer::Refused(Exit::TryLater))
        }
    }
}

/// The document of the service: in the shared state, or else in the state directory of this machine.
fn open(context: &Context) -> Result<SharedState> {
    let folder = context
        .sinks
        .state_dir
        .as_ref()
        .context("--exclusive needs a place for its lease: set DM_STATE_DIR")?;
    let url = if let Some(url) = &context.sinks.state_url {
        url.clone()
    } else {
        PrivateDir::create(folder, &[LEASES]).context("--exclusive cannot keep its lease on this machine")?;
        StoreUrl::Folder(std::path::absolute(folder.join(LEASES))?)
    };
    let Identity { environment, service, .. } = &context.identity;
    let state = SharedState::open(&url, folder, environment, service);
    Ok(state.with_context(|| format!("the shared state {url}"))?.with_patience(PATIENCE))
}

fn describe(context: &Context, lease: &Lease) -> String {
    let Identity { environment, service, .. } = &context.identity;
    lease.describe(service.as_str(), environment.as_str())
}
