//! Exclusive deployments: one at a time for a service in an environment, by a lease in the shared state.

use std::time::Duration;

use anyhow::{Context as _, Result};
use common::cli::warn;
use common::clock::{Clock as _, SystemClock};
use common::duration::format_duration;
use common::exit::Exit;
use common::identity::random_hex;
use common::runtime;
use state_store::{
    AcquireError, HeldLease, Holder, Lease, LeaseRequest, SharedState, Store, StoreError, StoreUrl,
};
use telemetry::Context;

/// How long a lease is valid that is held from `--start` to `--finish`, between processes.
const TWO_STEP_TTL: Duration = Duration::from_hours(1);

/// How long the store may take for one change.
const LIMIT: Duration = Duration::from_secs(30);

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
    let state = match acquire(context, wait, context.lease_ttl, true)? {
        Answer::Acquired(state) => state,
        Answer::Refused(exit) => return Ok(Answer::Refused(exit)),
    };
    let (fence, state) = state;
    let lease = HeldLease::keep(state, fence, context.lease_ttl)
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

/// Releases the lease of a deployment that another process began. If that fails, the lease expires.
pub(crate) fn finish(context: &Context) {
    let released = open(context).and_then(|mut state| {
        let deployment = context.identity.deployment.as_str();
        let release = async {
            let deadline = tokio::time::Instant::now() + LIMIT;
            state
                .update(deadline, |document| {
                    document.release_deployment(deployment);
                    Ok::<_, StoreError>(())
                })
                .await
        };
        Ok(runtime::block_on(release)??)
    });
    if let Err(error) = released {
        warn(context.tool, &[format!("the lease of the deployment is not released, and expires: {error:#}")]);
    }
}

impl ExclusiveDeployment {
    /// Releases the lease. If that fails, the lease expires.
    pub(crate) fn end(self, context: &Context) {
        let warning = match self.0.release() {
            Ok(true) => return,
            Ok(false) => {
                "another deployment has taken over the lease: this machine could not renew it, so two \
                          deployments may have run at the same time"
                    .to_owned()
            }
            Err(error) => format!("the lease of the deployment is not released, and expires: {error}"),
        };
        warn(context.tool, &[warning]);
    }
}

fn acquire(
    context: &Context,
    wait: Duration,
    ttl: Duration,
    is_renewed: bool,
) -> Result<Answer<(u64, SharedState)>> {
    let mut state = open(context)?;
    let holder = Holder::of(&context.identity, "deployment", SystemClock.now());
    let request = LeaseRequest { holder, nonce: random_hex(8), ttl_s: ttl.as_secs(), is_renewed };
    let mut is_announced = false;
    let on_wait = |lease: &Lease| {
        if !std::mem::replace(&mut is_announced, true) {
            let message =
                format!("{}; waiting for at most {}", describe(context, lease), format_duration(wait));
            warn(context.tool, &[message]);
        }
    };
    match runtime::block_on(state.acquire_lease(&request, wait, LIMIT, on_wait))? {
        Ok(acquired) => {
            if let Some(dead) = acquired.expired {
                let message = format!(
                    "{}, and has not renewed its lease: taking over. It may have left its work half done",
                    describe(context, &dead)
                );
                warn(context.tool, &[message]);
            }
            Ok(Answer::Acquired((acquired.fence, state)))
        }
        Err(AcquireError::Held(lease)) => {
            let advice = if wait.is_zero() { "; to wait for it, give --exclusive='wait 10m'" } else { "" };
            let message = format!("not started: {}{advice}", describe(context, &lease));
            warn(context.tool, &[message]);
            Ok(Answer::Refused(Exit::TryLater))
        }
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
    let url = context.sinks.state_url.clone().unwrap_or_else(|| StoreUrl::Folder(folder.join("lease")));
    let cache = folder.join("shared");
    let store = Store::open(&url, &cache).with_context(|| format!("the shared state {url}"))?;
    Ok(SharedState::new(store, &context.identity.environment, &context.identity.service, &cache))
}

fn describe(context: &Context, lease: &Lease) -> String {
    let Holder { deployment, activity, machine, since, run_url, .. } = &lease.holder;
    let page = run_url.as_ref().map(|url| format!(", {url}")).unwrap_or_default();
    format!(
        "the {activity} of deployment {deployment} of {} in {} is running on {machine} since {}{page}",
        context.identity.service,
        context.identity.environment,
        since.format("%Y-%m-%d %H:%M:%SZ")
    )
}
