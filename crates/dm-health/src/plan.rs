//! What it means: checked values, and no flag left to ask about.

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

use crate::TOOL;
use crate::args::Args;
use crate::expectations::Expectations;
use crate::policy::Rules;
use crate::probe::{Manner, Target};
use crate::report::Style;
use crate::version::Version;
use crate::watch::Pace;

/// What to do.
#[derive(Debug)]
pub struct Plan {
    /// Who does it, and where it is recorded.
    pub context: Context,
    /// The stage that it is recorded as.
    pub stage: Stage,
    /// What to probe; at least one.
    pub targets: Vec<Target>,
    /// What a healthy answer is.
    pub expected: Expectations,
    /// When to stop, and with which answer.
    pub rules: Rules,
    /// When it is probed.
    pub pace: Pace,
    /// How it is asked.
    pub manner: Manner,
    /// What stdout speaks.
    pub style: Style,
}

/// Finds out what to do.
pub fn plan(args: Args) -> Result<Plan> {
    check(&args)?;
    let targets = targets(&args)?;
    let terminal = std::io::stdout().is_terminal();
    let style = match args.format.unwrap_or(Format::for_stdout(terminal)) {
        Format::Jsonl => Style::JsonLines,
        Format::Human => Style::Human { live: terminal, paint: Palette::on(&std::io::stdout()) },
    };
    Ok(Plan {
        context: Context::resolve(TOOL.name, &args.deployment, &args.export)?,
        stage: "health_check".parse().map_err(anyhow::Error::msg)?,
        targets,
        expected: Expectations {
            response: ResponseExpectation {
                status: StatusPatterns(args.expect_status),
                headers: args.expect_header,
                body: TextExpectation { contains: args.expect_body, matches: args.expect_body_regex },
                json: args.expect_json,
            },
            version: args.expect_version.map(|expected| Version { expected, place: args.version_at }),
            min_certificate: args.min_cert_days.map(|days| TimeDelta::days(days.into())),
            max_latency: args.max_latency,
        },
        rules: Rules {
            max_fail: args.max_fail,
            fail_rate: args.fail_rate,
            min_success: args.min_success,
            grace: args.grace,
            deadline: args.deadline,
            watch: args.watch,
        },
        pace: Pace { every: args.interval, jitter: args.jitter },
        manner: Manner { timeout: args.timeout, reuse: args.reuse },
        style,
    })
}

/// Every target with a name of its own, and of a kind that can be what is expected.
fn targets(args: &Args) -> Result<Vec<Target>> {
    if args.name.is_some() && args.url.len() > 1 {
        bail!(
            "--name is for one --url: with several, give each its own, as in --url api=https://host/health"
        );
    }
    let mut targets = Vec::new();
    let mut names = BTreeSet::new();
    for one in &args.url {
        let target = Target::new(&one.address, one.name.clone().or_else(|| args.name.clone()))?;
        if !names.insert(target.name.clone()) {
            bail!(
                "two targets are called {0}: give each a name of its own, as in --url {0}-2={1}",
                target.name,
                target.shown
            );
        }
        targets.push(target);
    }
    let in_body =
        args.expect_body.is_some() || args.expect_body_regex.is_some() || !args.expect_json.is_empty();
    let in_answer = in_body || !args.expect_header.is_empty() || args.expect_version.is_some();
    if in_answer && !targets.iter().any(Target::is_http) {
        bail!(
            "a header, a body and a version can be expected of http:// and https:// only, and no --url is one"
        );
    }
    if args.min_cert_days.is_some() && !targets.iter().any(Target::is_tls) {
        bail!("--min-cert-days is for https:// and grpcs:// only, and no --url is one");
    }
    Ok(targets)
}

/// Values that are each possible, and together cannot come to an answer.
fn check(args: &Args) -> Result<()> {
    if args.max_fail == 0 {
        bail!("--max-fail 0 would find every service unhealthy: give 1 or more");
    }
    if args.min_success == 0 {
        bail!("--min-success 0 would find every service healthy: give 1 or more");
    }
    if args.jitter >= args.interval {
        bail!(
            "--jitter {} is no shorter than --interval {}",
            format_duration(args.jitter),
            format_duration(args.interval)
        );
    }
    let soonest = args.interval.saturating_mul(args.min_success - 1);
    if let Some(deadline) = args.deadline
        && soonest >= deadline
    {
        bail!(
            "--min-success {} at --interval {} takes {}, and --deadline {} is no longer than that",
            args.min_success,
            format_duration(args.interval),
            format_duration(soonest),
            format_duration(deadline)
        );
    }
    if let Some(watch) = args.watch
        && watch < args.interval
    {
        bail!(
            "--watch {} is shorter than --interval {}: no probe is in it",
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
    fn what_cannot_come_to_an_answer_is_refused() {
        assert!(checked(&["--max-fail", "0"]).unwrap_err().contains("--max-fail 0"));
        assert!(checked(&["--min-success", "0"]).unwrap_err().contains("--min-success 0"));
        assert!(checked(&["--min-success", "6", "--deadline", "5s"]).unwrap_err().contains("takes 5.0s"));
        assert!(checked(&["--jitter", "1s"]).unwrap_err().contains("--jitter 1.0s is no shorter"));
        assert!(checked(&["--watch", "100ms"]).unwrap_err().contains("shorter than --interval"));
        assert_eq!(checked(&["--min-success", "5", "--deadline", "5s", "--watch", "1s"]), Ok(()));
    }
}
