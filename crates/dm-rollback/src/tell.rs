//! Telling people what was done: an alert to Alertmanager, an annotation and a row to GitHub Actions. None of it changes
//! how the tool ends.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use common::event::RollbackResult;
use common::exit::Exit;
use common::github_actions::GitHub;
use common::github_actions::GitHubArgs;
use common::http::parse_url;
use common::identity::Identity;
use common::records::Verdict;

use crate::TOOL;
use crate::alertmanager::{Alert, Alertmanager};
use crate::guard::ActionOutcome;
use crate::plan::Plan;
use crate::source::args::AnyUrl;

/// So long a rollback is told of, as config/prometheus has it.
const TOLD_FOR: TimeDelta = TimeDelta::minutes(15);

/// So long a failed one is, unless a later one succeeds.
const FAILED_FOR: TimeDelta = TimeDelta::hours(24);

/// The longest annotation, in bytes.
const MAX_BYTES: usize = 1000;

/// Who is told.
#[derive(Debug, Clone)]
pub struct Notifiers {
    /// Alertmanager, where there is one.
    pub alertmanager: Option<Alertmanager>,
    github: GitHub,
}

impl Notifiers {
    /// This Alertmanager, and what GitHub is to be told.
    pub fn new(alertmanager: Option<AnyUrl>, github: &GitHubArgs) -> Self {
        let alertmanager = alertmanager.map(|AnyUrl(url)| Alertmanager { url });
        Self { alertmanager, github: github.outputs() }
    }
}

/// Tells everybody. What goes wrong with that is one warning.
pub fn tell(plan: &Plan, verdict: &Verdict, acted: &ActionOutcome, took: Duration, now: DateTime<Utc>) {
    let identity = &plan.context.identity;
    let github = &plan.people.github;
    let (status, level) = in_short(acted.exit);
    let whole =
        if acted.told.is_empty() { verdict.why.clone() } else { format!("{}: {}", verdict.why, acted.told) };
    if let Some(level) = level {
        github.annotate(level, &format!("{}: {status}", identity.service), &whole);
    }
    github.add_row(&plan.context.qualified_name(&plan.stage), status, Some(took), &whole);

    let Some(alertmanager) = &plan.people.alertmanager else { return };
    let alerts = alerts(identity, verdict, acted, now);
    let told = common::runtime::block_on(async {
        for alert in &alerts {
            // One that does not answer is asked once.
            alertmanager.post(alert).await?;
        }
        Ok(())
    });
    if let Err(error) = told.map_err(anyhow::Error::from).and_then(|told: anyhow::Result<()>| told) {
        let shown = alertmanager.shown();
        common::cli::warn(TOOL.name, &[format!("nobody was told: Alertmanager at {shown}: {error:#}")]);
    }
}

/// In a few words, and whether that is an annotation.
fn in_short(exit: Exit) -> (&'static str, Option<&'static str>) {
    match exit {
        Exit::Success => ("kept", None),
        Exit::RolledBack => ("rolled back", Some("warning")),
        Exit::RollbackNotDone | Exit::TryLater => ("NOT rolled back", Some("error")),
        Exit::RollbackFailed => ("rollback FAILED or not verified", Some("error")),
        _ => ("inconclusive", Some("warning")),
    }
}

/// What Alertmanager is told. The labels are those of the rules in config/prometheus, so that the same news by way of
/// Prometheus is no second alert.
fn alerts(identity: &Identity, verdict: &Verdict, acted: &ActionOutcome, now: DateTime<Utc>) -> Vec<Alert> {
    let alert =
        |name: &str, severity: &str, action: &str, summary: String, description: String, from, to| Alert {
            labels: BTreeMap::from([
                ("alertname", name.to_owned()),
                ("service", identity.service.to_string()),
                ("environment", identity.environment.to_string()),
                ("severity", severity.to_owned()),
                ("auto_action", action.to_owned()),
            ]),
            annotations: BTreeMap::from([
                ("summary", bounded(&summary)),
                ("description", bounded(&description)),
                ("deployment", identity.deployment.to_string()),
            ]),
            starts_at: from,
            ends_at: to,
            generator_url: identity
                .run_url
                .as_ref()
                .map(ToString::to_string)
                .filter(|url| parse_url(url).is_ok()),
        };
    let place = format!("{} in {}", identity.service, identity.environment);
    let version = |label: Option<&common::label::Label>| {
        label.map_or("a version without a name".to_owned(), |v| format!("{v}"))
    };
    let failed = |from, to, description| {
        let summary = format!("The rollback of {place} failed");
        alert("DeploymentRollbackFailed", "critical", "incident", summary, description, from, to)
    };
    let mut alerts = Vec::new();
    // One that failed before is over with a success.
    if let Some(since) = acted.heals {
        alerts.push(failed(since, now, "A later deployment or rollback succeeded.".to_owned()));
    }
    if acted.exit == Exit::RollbackFailed {
        let description = format!(
            "{}. Version {}, because {}. What to do: look which version answers; where it does not work, run the rollback \
             by hand, and dm-health after it. Not a second rollback. docs/runbooks/DEPLOYMENT_DeploymentRollbackFailed.md",
            acted.told,
            version(identity.version.as_ref()),
            verdict.why,
        );
        alerts.push(failed(now, now + FAILED_FOR, description));
    }
    if acted.result == Some(RollbackResult::Verified) {
        let from_to =
            format!("from {} to {}", version(identity.version.as_ref()), version(acted.target.as_ref()));
        let description = format!("{}. It went back {from_to}, and was seen to work again.", verdict.why);
        let summary = format!("{place} was rolled back");
        alerts.push(alert("DeploymentRolledBack", "info", "log", summary, description, now, now + TOLD_FOR));
    }
    alerts
}

fn bounded(text: &str) -> String {
    let mut text = text.replace(char::is_control, " ");
    text.truncate(text.floor_char_boundary(MAX_BYTES));
    text
}
