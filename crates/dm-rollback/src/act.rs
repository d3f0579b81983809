//! The rollback itself, and the look at what it did.

use std::time::Duration;

use child_process::{self, Signals, Spec, StdioMode};
use common::clock::Clock;
use common::duration::format_duration;
use common::event::RollbackResult;
use telemetry::context::Context;

use crate::plan::Action;

/// So many successes in a row prove that the service works again.
const IN_A_ROW: u32 = 3;

/// The time between two looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// What one look may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The time between TERM and KILL for a rollback command that takes too long.
const KILL_AFTER: Duration = Duration::from_secs(10);

/// Rolls back, and looks whether the service works: what came of it, and the same for people. The command gets
/// `variables` beside those of the deployment.
pub fn roll_back(
    action: &Action,
    context: &Context,
    variables: Vec<(&'static str, String)>,
    clock: &dyn Clock,
) -> (RollbackResult, String) {
    if let Err(why) = run(action, context, variables, clock) {
        let told = format!("the rollback FAILED: {why}. The bad version may still be live: act now");
        return (RollbackResult::Failed, told);
    }
    if action.verify.is_empty() {
        let told = "rolled back, NOT verified: nobody told where to look; give --verify-url";
        return (RollbackResult::Unverified, told.to_owned());
    }
    for url in &action.verify {
        let shown = common::label::redact_url(url);
        let told = match dm_health::verify(url, IN_A_ROW, INTERVAL, TIMEOUT, action.verify_deadline) {
            Ok(true) => continue,
            Ok(false) => {
                let deadline = format_duration(action.verify_deadline);
                format!("rolled back, and {shown} does NOT work within {deadline}: act now")
            }
            Err(error) => format!("rolled back, NOT verified: {shown} could not be probed: {error:#}"),
        };
        return (RollbackResult::Unverified, told);
    }
    (RollbackResult::Verified, "rolled back and verified".to_owned())
}

fn run(
    action: &Action,
    context: &Context,
    variables: Vec<(&'static str, String)>,
    clock: &dyn Clock,
) -> Result<(), String> {
    let identity = &context.identity;
    let mut env = context.child_env();
    env.push(("DM_PARENT_STAGE", "rollback".to_owned()));
    env.extend(variables);
    env.extend(identity.version.as_ref().map(|version| ("DM_FAILED_VERSION", version.to_string())));
    let spec = Spec {
        argv: action.argv.clone(),
        env,
        streams: StdioMode::Detached,
        stderr_tail: 0,
        timeout: Some(action.timeout),
        kill_after: KILL_AFTER,
        // Half a rollback is worse than one that nobody watched.
        may_outlive: true,
    };
    let mut signals = Signals::watch().map_err(|error| format!("cannot watch for signals: {error}"))?;
    let running = child_process::start(&spec, clock).map_err(|error| error.message)?;
    let finished = running
        .wait(&mut signals, clock, &mut || {})
        .map_err(|error| format!("its command was lost: {error}"))?;
    if finished.timed_out {
        return Err(format!("its command did not end within {}", format_duration(action.timeout)));
    }
    match (finished.used.exit_code, finished.used.signal) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(format!("its command ended with exit code {code}")),
        (None, signal) => Err(format!("its command was killed by signal {}", signal.unwrap_or_default())),
    }
}
