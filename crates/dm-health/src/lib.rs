//! Polls a service until it is healthy, or until it is proven unhealthy.
//!
//! ```text
//! dm-health --url https://api.example.com/health --min-success 3 --deadline 2m --watch 5m
//! ```
//!
//! ```text
//! watch: at every turn of the interval, each target
//!   probe ─► Outcome ─► policy ─► Step ─► report    a line on stdout
//!                                   └───► Ending ─► exit code, event, sentence
//! ```

pub mod address;
pub mod args;
pub mod check;
pub mod course;
pub mod ending;
pub mod expectations;
pub mod fail_rate;
pub mod latency;
pub mod plan;
pub mod policy;
pub mod probe;
pub mod report;
pub mod runtime;
pub mod tally;
pub mod version;
pub mod watch;

use std::future::pending;
use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::Result;
use common::cli::Tool;
use common::clock::SystemClock;
use common::exit::Exit;
use url::Url;

use ending::Ending;
use expectations::Expectations;
use plan::Plan;
use policy::{Policy, Rules, Verdict};
use probe::{Manner, Outcome, Prober, Target};
use watch::Pace;

/// What `main` has to know of this tool.
pub const TOOL: Tool = Tool { name: "dm-health", wrapper: false };

/// Does what the plan says.
#[expect(clippy::needless_pass_by_value, reason = "what every tool's `main` takes")]
pub fn run(plan: Plan) -> Result<Exit> {
    check::run(&plan)
}

/// Whether `url` answers with a 2xx status `in_a_row` times in a row before `deadline` has passed, probed every
/// `interval` for at most `timeout` each. Blocks; not to be called on a tokio runtime. Nothing is printed or recorded.
///
/// An error means that it could not be probed at all.
pub fn verify(
    url: &Url,
    in_a_row: u32,
    interval: Duration,
    timeout: Duration,
    deadline: Duration,
) -> Result<bool> {
    let clock = SystemClock;
    let expected = Expectations::default();
    let targets = [Target::of_url(url)?];
    let probers = Prober::of_each(&targets, &expected, Manner { timeout, reuse: false }, &clock)?;
    // After a rollback a service may fail for a while: only the deadline says that it does not come back.
    let rules = Rules {
        max_fail: u32::MAX,
        fail_rate: None,
        min_success: in_a_row,
        grace: deadline,
        deadline: Some(deadline),
        watch: None,
    };
    let pace = Pace { every: interval.max(Duration::from_millis(1)), jitter: Duration::ZERO };
    let mut policy = Policy::new(rules, targets.len());
    let go_on = |_, _: &Outcome, _| ControlFlow::Continue(());
    let ending = runtime::block_on(watch::watch(probers, &mut policy, pace, &clock, pending(), go_on))?;
    Ok(matches!(ending, Ending::Verdict(Verdict::Healthy)))
}
