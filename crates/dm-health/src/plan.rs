//! The plan: validated values that need no further look at the flags.

use std::collections::BTreeSet;
use std::io::IsTerminal;

use anyhow::{Result, bail};
use chrono::TimeDelta;
use common::args::Format;
use common::duration::format_duration;
use common::label::Stage;
use common::term::style::Palette;
use http_expect::{ResponseExpectation, StatusPatterns, TextExpectation};
use telemetry::context::Context;

use crate::args::{Args, TOOL};
use crate::expectations::Expectations;
use crate::policy::PollRules;
use crate::poll_loop::Schedule;
use crate::probe::{ProbeOptions, Target};
use crate::report::Style;
use crate::version::ExpectedVersion;

/// A validated run: what to probe, how, and what to report.
#[derive(Debug)]
pub struct Plan {
    /// The deployment, and where to record.
    pub(crate) context: Context,
    /// The stage to record.
    pub(crate) stage: Stage,
    /// The targets; at least one.
    pub(crate) targets: Vec<Target>,
    /// What a healthy response looks like.
    pub(crate) expected: Expectations,
    /// When to stop, and with which verdict.
    pub(crate) rules: PollRules,
    /// When targets are probed.
    pub(crate) schedule: Schedule,
    /// The options of each probe.
    pub(crate) options: ProbeOptions,
    /// The format of stdout.
    pub(crate) style: Style,
}

/// Validates the flags and resolves the deployment's context.
///
/// # Errors
/// The flags or the configuration are invalid.
pub fn plan(args: Args) -> Result<Plan> {
    check(&args)?;
    let targets = targets(&args)?;
    let terminal = std::io::stdout().is_terminal();
    let style = match args.format.unwrap_or(Format::for_stdout(terminal)) {
        Format::Jsonl => Style::JsonLines,
        Format::Human => Style::Human { live: terminal, palette: Palette::on(&std::io::stdout()) },
    };
    Ok(Plan {
        context: Context::resolve(TOOL.name, &args.deployment, &args.export)?,
        stage: Stage::health_check(),
        targets,
        expected: Expectations {
            response: ResponseExpectation {
                status: StatusPatterns(args.expect_status),
                headers: args.expect_header,
                body: TextExpectation { contains: args.expect_body, matches: args.expect_body_regex },
                json: args.expect_json,
            },
            version: args
                .expect_version
                .map(|expected| ExpectedVersion { expected, location: args.version_at }),
            min_certificate_life: args.min_cert_days.map(|days| TimeDelta::days(days.into())),
            max_latency: args.max_latency,
        },
        rules: PollRules {
            max_fail: args.max_fail,
            fail_rate: args.fail_rate,
            min_success: args.min_success,
            grace: args.grace,
            deadline: args.deadline,
            watch: args.watch,
        },
        schedule: Schedule { interval: args.interval, jitter: args.jitter },
        options: ProbeOptions { timeout: args.timeout, reuse: args.reuse },
        style,
    })
}

/// The targets, with unique names, and of a kind that can meet the expectations.
fn targets(args: &Args) -> Result<Vec<Target>> {
    if args.name.is_some() && args.url.len() > 1 {
        bail!("--name is for one --url: with several, name each one, as in --url api=https://host/health");
    }
    let mut targets = Vec::new();
    let mut names = BTreeSet::new();
    for one in &args.url {
        let target = Target::new(&one.address, one.name.clone().or_else(|| args.name.clone()))?;
        if !names.insert(target.name.clone()) {
            bail!(
                "two targets have the name {0}: give each a unique name, as in --url {0}-2={1}",
                target.name,
                target.display
            );
        }
        targets.push(target);
    }
    let in_body =
        args.expect_body.is_some() || args.expect_body_regex.is_some() || !args.expect_json.is_empty();
    let in_response = in_body || !args.expect_header.is_empty() || args.expect_version.is_some();
    if in_response && !targets.iter().any(Target::is_http) {
        bail!(
            "a header, a body or a version can only be expected from http:// and https://, and no --url has that scheme"
        );
    }
    if args.min_cert_days.is_some() && !targets.iter().any(Target::is_tls) {
        bail!("--min-cert-days only applies to https:// and grpcs://, and no --url has that scheme");
    }
    Ok(targets)
}

/// Rejects combinations of values that cannot lead to a verdict.
fn check(args: &Args) -> Result<()> {
    if args.max_fail == 0 {
        bail!("--max-fail 0 would make every service unhealthy: use 1 or more");
    }
    if args.min_success == 0 {
        bail!("--min-success 0 would make every service healthy: use 1 or more");
    }
    if args.jitter >= args.interval {
        bail!(
            "--jitter {} must be shorter than --interval {}",
            format_duration(args.jitter),
            format_duration(args.interval)
        );
    }
    let earliest = args.interval.saturating_mul(args.min_success - 1);
    if let Some(deadline) = args.deadline
        && earliest >= deadline
    {
        bail!(
            "--min-success {} at --interval {} takes {}, so --deadline {} is too short",
            args.min_success,
            format_duration(args.interval),
            format_duration(earliest),
            format_duration(deadline)
        );
    }
    if let Some(watch) = args.watch
        && watch < args.interval
    {
        bail!(
            "--watch {} is shorter than --interval {}, so it has no probe",
            format_duration(watch),
            format_duration(args.interval)
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
        check(&Args::try_parse_from(args).unwrap()).map_err(|error| error.to_string())
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
}
