//! The plan: validated values that need no further look at the flags.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::time::Duration;

use anyhow::{Result, bail};
use common::args::{Format, non_empty};
use common::duration::format_duration;
use common::identity::Identity;
use common::label::Stage;
use common::term::style::Palette;
use telemetry::Context;

use crate::args::{Args, TOOL};
use crate::expectations::Expectations;
use crate::policy::{Extension, PollRules};
use crate::poll_loop::Schedule;
use crate::probe::{ProbeOptions, Target};
use crate::report::Style;
use crate::{target_file, target_flags, target_spec};
use common::watch_time::WatchTime;

/// How many failures in a row prove a target unhealthy.
const MAX_FAIL: u32 = 5;

/// The time between two probes.
const INTERVAL: Duration = Duration::from_secs(1);

/// The time between two probes in a watch whose reader judges.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);

/// A validated run: what to probe, how, and what to report.
#[derive(Debug)]
pub struct Plan {
    /// The deployment, and where to record.
    pub(crate) context: Context,
    /// The stage to record.
    pub(crate) stage: Stage,
    /// The targets, at least one, and then those of the control group.
    pub(crate) targets: Vec<Target>,
    /// What is expected of each target, in their order.
    pub(crate) expected: Vec<Expectations>,
    /// When to stop, and with which verdict.
    pub(crate) rules: PollRules,
    /// How long to watch.
    pub(crate) watch: Option<WatchTime>,
    /// When targets are probed.
    pub(crate) schedule: Schedule,
    /// The options of each probe.
    pub(crate) options: ProbeOptions,
    /// The format of stdout.
    pub(crate) style: Style,
    /// The command to run once the service is healthy; empty for none.
    pub(crate) command: Vec<OsString>,
    /// Whether the file of targets is only checked.
    pub(crate) only_check: bool,
}

/// Validates the flags and resolves the deployment's context.
///
/// # Errors
/// The flags or the configuration are invalid.
pub fn plan(args: Args) -> Result<Plan> {
    let terminal = std::io::stdout().is_terminal();
    let style = match args.format.unwrap_or(Format::for_stdout(terminal)) {
        Format::Jsonl => Style::JsonLines,
        Format::Human => Style::Human { live: terminal, palette: Palette::on(&std::io::stdout()) },
    };
    let schedule = schedule(&args, style == Style::JsonLines);
    check(&args, schedule)?;
    let context = Context::resolve(TOOL.name, &args.deployment, &args.export)?;
    let (targets, expected) = targets(&args, &context.identity)?;
    let max_fail = args.max_fail.unwrap_or(MAX_FAIL);
    let timeouts = targets.iter().map(|target| target.timeout.unwrap_or(args.timeout));
    let turn = timeouts.max().unwrap_or(args.timeout).max(schedule.watch_interval);
    Ok(Plan {
        context,
        stage: Stage::health_check(),
        targets,
        expected,
        rules: PollRules {
            max_fail,
            waits_for_success: args.max_fail.is_none() && args.deadline.is_some(),
            fail_rate: args.fail_rate,
            min_success: args.min_success,
            grace: args.grace,
            deadline: args.deadline,
            watch: args.watch.map(|watch| watch.max),
            through_failures: args.max_fail.is_none().then(|| Extension::for_probes(turn, max_fail)),
        },
        watch: args.watch,
        schedule,
        options: ProbeOptions { timeout: args.timeout, reuse: args.reuse },
        style,
        command: args.command,
        only_check: args.check,
    })
}

/// When targets are probed. `is_read` says whether a program reads the records.
///
/// At two probes a second a healthy version is proven in one to two minutes, because that needs 90 of them. A service that
/// is not healthy yet gets the usual time: there, the number of failures decides.
fn schedule(args: &Args, is_read: bool) -> Schedule {
    let interval = args.interval.unwrap_or(INTERVAL);
    let reader_judges = is_read && args.max_fail.is_none() && args.fail_rate.is_none();
    let is_quick = args.interval.is_none() && reader_judges && args.jitter < WATCH_INTERVAL;
    Schedule {
        interval,
        watch_interval: if is_quick { WATCH_INTERVAL } else { interval },
        jitter: args.jitter,
    }
}

/// The targets of the flags and of the file, each with what is expected of it.
fn targets(args: &Args, identity: &Identity) -> Result<(Vec<Target>, Vec<Expectations>)> {
    let mut specs = target_flags::read(args)?;
    if let Some(file) = &args.file {
        specs.extend(target_file::read(file, args.check, non_empty(args.version_at.as_ref()).as_ref())?);
    }
    target_spec::resolve(specs, identity.version.as_ref())
}

/// Rejects combinations of values that cannot lead to a verdict.
fn check(args: &Args, schedule: Schedule) -> Result<()> {
    if args.max_fail == Some(0) {
        bail!("--max-fail 0 would make every service unhealthy: use 1 or more");
    }
    if args.min_success == 0 {
        bail!("--min-success 0 would make every service healthy: use 1 or more");
    }
    if args.jitter >= schedule.interval {
        bail!(
            "--jitter {} must be shorter than --interval {}",
            format_duration(args.jitter),
            format_duration(schedule.interval)
        );
    }
    let earliest = schedule.interval.saturating_mul(args.min_success - 1);
    if let Some(deadline) = args.deadline
        && earliest >= deadline
    {
        bail!(
            "--min-success {} at --interval {} takes {}, so --deadline {} is too short",
            args.min_success,
            format_duration(schedule.interval),
            format_duration(earliest),
            format_duration(deadline)
        );
    }
    if args.watch.is_some() && !args.command.is_empty() {
        bail!("--watch and a command exclude each other: the command runs as soon as the service is healthy");
    }
    if let Some(watch) = args.watch
        && watch.max < schedule.watch_interval
    {
        bail!(
            "--watch {watch} is shorter than --interval {}, so it has no probe",
            format_duration(schedule.watch_interval)
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn checked(flags: &[&str]) -> Result<(), String> {
        let args = ["dm-health", "--url", "http://h"].iter().chain(flags);
        let args = Args::try_parse_from(args).unwrap();
        check(&args, schedule(&args, false)).map_err(|error| error.to_string())
    }

    #[test]
    fn combinations_without_a_possible_verdict_are_errors() {
        assert!(checked(&["--max-fail", "0"]).unwrap_err().contains("--max-fail 0"));
        assert!(checked(&["--min-success", "0"]).unwrap_err().contains("--min-success 0"));
        assert!(checked(&["--min-success", "6", "--deadline", "5s"]).unwrap_err().contains("takes 5.0s"));
        assert!(checked(&["--jitter", "1s"]).unwrap_err().contains("--jitter 1.0s must be shorter"));
        assert!(checked(&["--watch", "100ms"]).unwrap_err().contains("shorter than --interval"));
        assert_eq!(checked(&["--min-success", "5", "--deadline", "5s", "--watch", "1s"]), Ok(()));
    }

    #[test]
    fn a_watch_whose_reader_judges_has_two_probes_a_second() {
        let intervals = |is_read: bool, flags: &[&str]| {
            let args = ["dm-health", "--url", "http://h", "--watch", "60s..10m"].iter().chain(flags);
            let schedule = schedule(&Args::try_parse_from(args).unwrap(), is_read);
            [schedule.interval, schedule.watch_interval].map(|time| time.as_millis())
        };
        assert_eq!(intervals(true, &[]), [1000, 500]);
        assert_eq!(intervals(true, &["--interval", "2s"]), [2000, 2000]);
        // These count probes, and are often chosen for one a second.
        assert_eq!(intervals(true, &["--max-fail", "5"]), [1000, 1000]);
        assert_eq!(intervals(true, &["--fail-rate", "5/20"]), [1000, 1000]);
        assert_eq!(intervals(false, &[]), [1000, 1000]);
    }
}
