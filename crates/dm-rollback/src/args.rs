//! What was typed.

use std::ffi::OsString;
use std::time::Duration;

use clap::Parser;
use common::args::{DeploymentArgs, Format};
use common::github_actions::GitHubArgs;
use common::{duration, http};
use telemetry::args::ExportArgs;
use url::Url;

use crate::safeguard_args::SafeguardArgs;
use crate::source::args::{SourceArgs, parse_percent};
use crate::webhook::HookArgs;

const EXAMPLES: &str = "\
Examples:
  set -o pipefail
  dm-health --url https://api/orders --watch 5m --format jsonl |
      dm-rollback --if-error-rate 5 -- ./rollback.sh
  dm-health --url https://api/health --max-fail 5 --format jsonl |
      dm-rollback --if-health-fails -- ./rollback.sh
  dm-smoke smoke.toml --base-url https://api --format jsonl |
      dm-rollback --if-smoke-fails --verify-url https://api/health -- ./rollback.sh
  dm-rollback --if-error-rate 5 --dry-run < recorded.jsonl
  dm-rollback --prometheus http://prometheus:9090 --if-error-rate 5 --watch 10m -- ./rollback.sh
  dm-rollback --prometheus --total-query 'requests_total{job=\"api\"}' \\
      --error-query 'requests_total{job=\"api\",status=~\"5..\"}' --if-error-rate 5 -- ./rollback.sh
  dm-rollback --if-alert ApiDown --if-alert ApiSlow --watch 10m -- ./rollback.sh
  tail -F access.log | dm-rollback --access-log - --if-error-rate 5 --if-latency 1s --watch 5m -- ./rollback.sh
  dm-rollback --check-version || exit 1                # before a deployment: was it rolled back from?
  dm-rollback --from-alertmanager --alertmanager-url http://alertmanager:9093 \\
      --verify-url https://api/health -- scripts/rollback/railway.sh < payload.json

By --if-error-rate 5 the verdict is
  rollback      as soon as the errors of a source prove more than 5 percent, in four or more buckets
                of time, with at least 10 requests and 3 errors; the rest is not waited for
  keep          at the end, with 5 percent or less, and at least 52 requests: enough to say so
  inconclusive  otherwise, and whenever a source is cut off, damaged or silent: no reason to roll back
A bucket is ten of the producer's intervals, at most 10s, by the time of the records. Where 100 or more
requests before the deployment are known, what failed of them is allowed too, if that is more. By
--if-latency slow requests are judged in the same way. Any condition rolls back; to keep, all must be clear.
Failures before the first success are a service that is still starting: they do not count, unless
no success follows.

A version that was kept is what a later one goes back to: $DM_ROLLBACK_TARGET. What was rolled
back, and from what, is in the ledger beside the journal, before it is done. A deployment is
rolled back once, a service twice a day, 15 minutes apart; not past a newer deployment or a
moved schema, not back from a rollback, and not while $DM_STATE_DIR/rollback.disabled is there
or DM_ROLLBACK_DISABLED is set. docs/observability/rollback.md says how to arm it.

Exit code: 0 keep; 3 inconclusive; 10 rolled back and verified; 11 rollback wanted and not done;
12 rollback tried, and failed or not verified: page a person; 75 held by another rollback, or
by the time since; 2 wrong usage; 5 internal error; 1 with --check-version: rolled back from.
With pipefail the rightmost code that is not 0 wins: dm-rollback's.

The command has no stdin, its output goes to stderr, and it finds DM_ROLLBACK_TARGET,
DM_ROLLBACK_RELEASE, DM_FAILED_VERSION, DM_ROLLBACK_REASON and the deployment's variables in
its environment. The schema's version is $DM_SCHEMA_VERSION, else what dm-migrate recorded.";

/// Decides from evidence whether to roll back, does it, and verifies it
#[derive(Debug, Parser)]
#[command(name = "dm-rollback", version, after_help = EXAMPLES)]
pub struct Args {
    /// The rollback command and its arguments, after `--`
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,

    /// Roll back if more than this share of the requests failed, in percent
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent)]
    pub if_error_rate: Option<f64>,

    /// Roll back if dm-health ended as unhealthy
    #[arg(long)]
    pub if_health_fails: bool,

    /// Roll back if a smoke test failed
    #[arg(long)]
    pub if_smoke_fails: bool,

    #[command(flatten)]
    pub hook: HookArgs,

    /// Where to see that the rollback worked: three successes in a row [default: what dm-health probed]
    #[arg(long, value_name = "URL", value_parser = http::parse_url)]
    pub verify_url: Option<Url>,

    /// The time in which the service has to be seen to work after the rollback
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration::parse_positive)]
    pub verify_deadline: Duration,

    /// The time limit of the rollback command
    #[arg(long, value_name = "DURATION", default_value = "3m", value_parser = duration::parse_positive)]
    pub rollback_timeout: Duration,

    /// Only decide: a rollback that is wanted is told of, and not done (11)
    #[arg(long)]
    pub dry_run: bool,

    /// What to write to stdout [default: human on a terminal, else jsonl]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<Format>,

    #[command(flatten)]
    pub github: GitHubArgs,

    #[command(flatten)]
    pub source: SourceArgs,

    #[command(flatten)]
    pub safeguards: SafeguardArgs,

    #[command(flatten)]
    pub deployment: DeploymentArgs,

    #[command(flatten)]
    pub export: ExportArgs,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_flags_are_consistent() {
        super::Args::command().debug_assert();
    }
}
