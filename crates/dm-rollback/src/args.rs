//! The command line, as typed.

use std::ffi::OsString;
use std::time::Duration;

use ::notify::NotifyArgs;
use clap::Parser;
use common::args::{DeploymentArgs, EmptyAsNone, Format};
use common::cli::Tool;
use common::github_actions::GitHubArgs;
use common::{duration, http};
use dm_health::VersionLocation;
use telemetry::ExportArgs;
use url::Url;

use crate::safeguards::args::SafeguardArgs;
use crate::source::args::{SourceArgs, parse_percent};
use crate::trigger::TriggerArgs;

/// The name and the kind of this tool.
pub const TOOL: Tool = Tool { name: "dm-rollback", wrapper: false };

const EXAMPLES: &str = "\
Examples:
  set -o pipefail
  dm-health --url https://api/orders --version-at header:X-Version \\
      --watch 60s..10m --format jsonl |
    dm-rollback --if-error-rate 5 -- ./rollback.sh
  dm-health --url https://api/health --max-fail 5 --format jsonl |
    dm-rollback --if-health-fails -- ./rollback.sh
  dm-health --url https://api/orders --control-url https://old-api/orders \\
      --watch 60s..10m --format jsonl |
    dm-rollback --if-error-rate 5 --control-tolerance 1.25 -- ./rollback.sh
  dm-smoke smoke.toml --base-url https://api --format jsonl |
    dm-rollback --if-smoke-fails --verify-url https://api/health \\
      --version-at header:X-Version -- ./rollback.sh
  dm-rollback --if-error-rate 5 --dry-run < recorded.jsonl
  dm-rollback --prometheus http://prometheus:9090 --if-error-rate 5 \\
    --watch 60s..10m -- ./rollback.sh
  dm-rollback --prometheus --total-query 'requests_total{job=\"api\"}' \\
    --error-query 'requests_total{job=\"api\",status=~\"5..\"}' \\
    --if-error-rate 5 -- ./rollback.sh
  dm-rollback --if-alert ApiDown --if-alert ApiSlow --watch 10m \\
    -- ./rollback.sh
  dm-rollback --if-alert HighErrorRate --alert-match job=web \\
    --watch 10m -- ./rollback.sh
  tail -F access.log | dm-rollback --access-log - --if-error-rate 5 \\
    --if-latency 1s --watch 60s..10m -- ./rollback.sh
  dm-rollback --because 'the migration failed' \\
    --verify-url https://api/health --version-at header:X-Version \\
    -- ./rollback.sh
  dm-rollback --from-alertmanager --verify-url https://api/health \\
    --alertmanager-url http://alertmanager:9093 \\
    -- scripts/rollback/railway.sh < payload.json

Before a deployment, stop if its version was rolled back before:
  dm-rollback --check-version || exit 1

Verdict with --if-error-rate 5:
  rollback      as soon as the errors of one source prove a rate above 5
                percent: in at least five buckets of time, with at least 10
                requests and 3 errors. The rest of the data is not read.
  keep          if the requests of every source prove a rate below 5 percent
                at that moment: in at least four buckets, with about 110
                requests if none fails. With --watch MIN..MAX, of dm-health
                or of this tool, the watch ends then, but not before MIN.
                Otherwise the producer has to end with exit code 0.
  inconclusive  otherwise; and if a source is truncated, damaged or empty, is
                a recording (except with --dry-run), or is about another
                service or deployment. Nothing is rolled back.
A bucket lasts 10s (--bucket), by the time in the records, so a burst of up to
25s proves nothing. Each proof is wrong in at most 1 percent of all watches, if
requests fail independently.
If the error rate before the deployment was higher than the limit (100 or more
requests known), that rate is the limit for a rollback. For a keep the limit is
at most doubled. With a control group, a rollback needs proof that the version
fails more often than that group at the same time. If responses name their
version, only those of the deployed version count. --if-latency judges slow
requests in the same way. With several conditions, one is enough to roll back,
and all have to be clear to keep. Failures before the first success do not
count, because the service may still be starting, unless no success follows.
After a success, --if-health-fails needs an outage in five buckets.

Known good, and verified:
A kept version is recorded as known good if it is proven to be within the
requested limit, in the whole watch and at its end; as assumed, if no response
named its version. A rollback is verified if the condition that triggered it,
measured again from the same source, is proven to be gone: in at least four
buckets, with answers of the restored version if versions are detected. If this
cannot be measured or proven, the exit code is 12. --verify-url has to work
too. Smoke tests and the reason of --because cannot be measured again: with
--verify-url and --version-at, the restored version has to answer there.

Safeguards:
A rollback restores the newest version that is known to be good, and passes it
to the command as $DM_ROLLBACK_TARGET. The ledger in $DM_STATE_DIR records each
rollback before it begins. A deployment is rolled back once for each start of
the stage deployment or deploy in the journal, or for each CI job that is run
again; a service at most 20 times a day. For 15 minutes after a rollback, the
version that was rolled back is not rolled back again; another version is, if
its deployment began later. There is no rollback over a newer deployment, after
the schema has changed, of a rollback, or while $DM_STATE_DIR/rollback.disabled
exists or DM_ROLLBACK_DISABLED is set to anything but 0, false or no. Each
service of a repository needs a DM_SERVICE. If --release-before is the same as
--release, nothing went live, so there is nothing to roll back.
docs/observability/rollback.md explains how to introduce automatic rollbacks.

The rollback command:
It has no stdin, and its output goes to stderr. Once it has begun, TERM, INT
and HUP end neither it nor dm-rollback. Its environment contains
DM_ROLLBACK_TARGET, DM_ROLLBACK_RELEASE, DM_FAILED_VERSION, DM_ROLLBACK_REASON
and the variables of the deployment. The schema version is $DM_SCHEMA_VERSION,
otherwise the one that dm-migrate recorded.

Exit code:
  0   keep
  1   with --check-version: the version was rolled back before. With
      --release-before: bad, and nothing went live, so nothing was done
  2   wrong usage
  3   inconclusive
  5   a fault of dm-rollback, or the output could not be written
  10  rolled back and verified
  11  a rollback is needed and was not done: --dry-run, or a safeguard
  12  a rollback was tried, and failed or was not verified: alert a person
  75  a rollback is needed; another one is running, or the cool-down after the
      last one is not over
With pipefail a pipeline returns the rightmost code that is not 0, which is
dm-rollback's.";

/// Decides from evidence whether to roll back, rolls back, and verifies the result
#[derive(Debug, Parser)]
#[command(name = "dm-rollback", version, after_help = EXAMPLES)]
pub struct Args {
    /// Rollback command and its arguments, after `--`
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,

    /// Roll back if more than this percentage of the requests failed
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent)]
    pub(crate) if_error_rate: Option<f64>,

    /// Roll back if dm-health found the service unhealthy
    #[arg(long)]
    pub(crate) if_health_fails: bool,

    /// Roll back if a smoke test failed
    #[arg(long)]
    pub(crate) if_smoke_fails: bool,

    /// Roll back for this reason, which a script knows already, such as a deploy command that failed. Nothing is read from
    /// stdin
    // Output of a command may be quoted in it, which need not be UTF-8.
    #[arg(long, value_name = "REASON")]
    pub(crate) because: Option<OsString>,

    #[command(flatten)]
    pub(crate) trigger: TriggerArgs,

    /// URL that has to work after a rollback, in addition: three successes in a row. The rollback is verified by measuring
    /// the condition that triggered it again
    #[arg(long, value_name = "URL", value_parser = http::parse_url)]
    pub(crate) verify_url: Option<Url>,

    /// Time limit of the verification after a rollback
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration::parse_positive)]
    pub(crate) verify_deadline: Duration,

    /// Where a response contains its version: json:JSONPATH, header:NAME, or body:REGEX. To verify a rollback by probes of
    /// this tool; in a stream, dm-health detects the version
    #[arg(long, env = "DM_VERSION_AT", value_name = "PLACE")]
    pub(crate) version_at: Option<EmptyAsNone<VersionLocation>>,

    /// Time limit of the rollback command
    #[arg(long, value_name = "DURATION", default_value = "3m", value_parser = duration::parse_positive)]
    pub(crate) rollback_timeout: Duration,

    /// Only decide: report a rollback that is needed, but do not run the command (11)
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Format of stdout [default: human on a terminal, otherwise jsonl]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,

    #[command(flatten)]
    pub(crate) github: GitHubArgs,

    #[command(flatten)]
    pub(crate) source: SourceArgs,

    #[command(flatten)]
    pub(crate) safeguards: SafeguardArgs,

    #[command(flatten)]
    pub(crate) deployment: DeploymentArgs,

    #[command(flatten)]
    pub(crate) export: ExportArgs,

    #[command(flatten)]
    pub(crate) notify: NotifyArgs,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_flags_are_consistent() {
        super::Args::command().debug_assert();
    }
}
