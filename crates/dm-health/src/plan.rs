//! The plan: validated values that need no further look at the flags.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::time::Duration;

use anyhow::{Result, bail};
use chrono::TimeDelta;
use common::args::{EmptyAsNone, Format, non_empty};
use common::duration::format_duration;
use common::identity::Identity;
use common::label::{Label, Stage};
use common::proxy::Proxies;
use common::secrets::Redactor;
use common::term::style::Palette;
use http_expect::{ResponseExpectation, StatusPatterns, TextCondition, TextExpectation};
use telemetry::Context;

use crate::address::NamedAddress;
use crate::args::{Args, TOOL};
use crate::expectations::Expectations;
use crate::policy::{Extension, PollRules};
use crate::poll_loop::Schedule;
use crate::probe::{ProbeOptions, Target};
use crate::report::Style;
use crate::request_header::RequestHeader;
use crate::version::{ExpectedVersion, VersionDetector, VersionLocation};
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
    /// What a healthy response looks like.
    pub(crate) expected: Expectations,
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
    let targets = targets(&args)?;
    let context = Context::resolve(TOOL.name, &args.deployment, &args.export)?;
    let version_at = non_empty(args.version_at.as_ref());
    let detector = version_at.clone().map(|location| detector(location, &args, &context.identity));
    let max_fail = args.max_fail.unwrap_or(MAX_FAIL);
    let turn = schedule.watch_interval.max(args.timeout);
    Ok(Plan {
        context,
        stage: Stage::health_check(),
        targets,
        expected: Expectations {
            response: ResponseExpectation {
                status: if args.expect_status.is_empty() {
                    StatusPatterns::default()
                } else {
                    StatusPatterns(args.expect_status)
                },
                headers: args.expect_header,
                body: TextExpectation(
                    (args.expect_body.into_iter().map(TextCondition::Contains))
                        .chain(args.expect_body_regex.into_iter().map(TextCondition::Matches))
                        .chain(args.reject_body.into_iter().map(TextCondition::NotContains))
                        .collect(),
                ),
                json: args.expect_json,
                ..ResponseExpectation::default()
            },
            version: args.expect_version.map(|expected| ExpectedVersion {
                expected,
                location: version_at.unwrap_or(VersionLocation::Word),
            }),
            min_certificate_life: args.min_cert_days.map(|days| TimeDelta::days(days.into())),
            max_latency: args.max_latency,
            detector,
        },
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

/// Detects versions at this place, and knows the secrets that must not be taken for one.
fn detector(location: VersionLocation, args: &Args, identity: &Identity) -> VersionDetector {
    let mut secrets = Redactor::default();
    for one in args.url.iter().chain(&args.control_url) {
        secrets.add(one.address.secrets());
    }
    secrets.add(args.header.iter().map(RequestHeader::secret));
    let deployed = identity.version.as_ref().map(ToString::to_string);
    VersionDetector { location, secrets: secrets.with_environment(), deployed }
}

/// The targets, and then those of the control group.
fn targets(args: &Args) -> Result<Vec<Target>> {
    if args.name.is_some() && args.url.len() > 1 {
        bail!("--name is for one --url: with several, name each one, as in --url api=https://host/health");
    }
    let mut targets = named(args, &args.url, args.name.as_ref(), "--url")?;
    check_expectations(args, &targets)?;
    let is_judged = |one: &&NamedAddress| args.url.iter().any(|url| url.address == one.address);
    if args.control_url.iter().any(|one| is_judged(&one)) {
        bail!("--control-url and --url are the same: a group is never worse than itself");
    }
    let control = named(args, &args.control_url, None, "--control-url")?;
    targets.extend(control.into_iter().map(Target::into_control));
    Ok(targets)
}

/// The targets that `flag` gives, with unique names.
fn named(args: &Args, addresses: &[NamedAddress], name: Option<&Label>, flag: &str) -> Result<Vec<Target>> {
    let proxies = Proxies::from_env().map_err(anyhow::Error::msg)?;
    let mut targets = Vec::new();
    let mut names = BTreeSet::new();
    for one in addresses {
        let target = Target::new(&one.address, one.name.as_ref().or(name).cloned())?;
        let target = target.through(&one.address, &proxies)?.with_request(&args.header, args.method.as_ref());
        if !names.insert(target.name.clone()) {
            bail!(
                "two targets have the name {0}: give each a unique name, as in {flag} {0}-2={1}",
                target.name,
                target.display
            );
        }
        targets.push(target);
    }
    Ok(targets)
}

/// Rejects expectations that no target can meet.
fn check_expectations(args: &Args, targets: &[Target]) -> Result<()> {
    let in_body = args.expect_body.len()
        + args.expect_body_regex.len()
        + args.reject_body.len()
        + args.expect_json.len()
        > 0;
    let in_response = in_body || !args.expect_header.is_empty() || args.expect_version.is_some();
    if in_response && !targets.iter().any(Target::is_http) {
        bail!(
            "a header, a body or a version can only be expected from http:// and https://, and no --url has that scheme"
        );
    }
    let in_request = args.method.is_some() || !args.header.is_empty();
    if (in_request || !args.expect_status.is_empty()) && !targets.iter().any(Target::is_http) {
        bail!(
            "a status can only be expected from http:// and https://, and only they take --header and --method; no --url has that scheme"
        );
    }
    if args.min_cert_days.is_some() && !targets.iter().any(Target::is_tls) {
        bail!("--min-cert-days only applies to https:// and grpcs://, and no --url has that scheme");
    }
    if matches!(args.version_at, Some(EmptyAsNone(Some(VersionLocation::Word))))
        && args.expect_version.is_none()
    {
        bail!(
            "--version-at body needs --expect-version; to detect any version, use json:JSONPATH, header:NAME or body:REGEX"
        );
    }
    Ok(())
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
