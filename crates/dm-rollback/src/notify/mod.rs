//! Notifies Alertmanager, GitHub Actions and people of the outcome. None of it changes the exit code.

pub(crate) mod alertmanager;

use std::collections::BTreeMap;
use std::time::Duration;

use ::notify::{Event, NotifyArgs, Pending, Surroundings};
use anyhow::{Error, Result};
use chrono::{DateTime, TimeDelta, Utc};
use common::event::RollbackResult;
use common::exit::Exit;
use common::github_actions::GitHub;
use common::http::parse_url;
use common::identity::Identity;
use common::label::Label;
use common::records::Verdict;
use common::runtime;
use telemetry::Context;

use crate::args::TOOL;
use crate::execute::ActionOutcome;
use crate::source::args::AnyUrl;
use alertmanager::{Alert, Alertmanager};

/// The lifetime of the alert about a rollback, as in config/prometheus.
const SUCCESS_LIFETIME: TimeDelta = TimeDelta::minutes(15);

/// The lifetime of the alert about a failed rollback, unless a later one succeeds.
const FAILURE_LIFETIME: TimeDelta = TimeDelta::hours(24);

/// The longest annotation of an alert, in bytes.
const MAX_ANNOTATION_BYTES: usize = 1000;

/// Who is notified.
#[derive(Debug, Clone)]
pub struct Notifiers {
    /// The Alertmanager, if one was given.
    pub alertmanager: Option<Alertmanager>,
    github: GitHub,
    /// People, unless the tool around this one reports the end of the deployment to them.
    people: ::notify::Notifiers,
}

impl Notifiers {
    /// Notifiers for an Alertmanager at this URL, for the outputs of GitHub Actions, and for people. What is wrong with the
    /// settings for people is a warning.
    pub fn new(
        alertmanager: Option<AnyUrl>,
        github: GitHub,
        (people, context): (&NotifyArgs, &Context),
    ) -> Self {
        let alertmanager = alertmanager.map(|AnyUrl(url)| Alertmanager { url });
        let surroundings = Surroundings {
            identity: &context.identity,
            state_dir: context.sinks.state_dir.clone(),
            state_url: context.sinks.state_url.clone(),
            budget: context.sinks.budget,
            has_alertmanager: alertmanager.is_some(),
        };
        let (people, problems) = ::notify::Notifiers::resolve(people, surroundings);
        common::cli::warn(context.tool, &problems);
        Self { alertmanager, github, people }
    }
}

/// What to notify of.
#[derive(Debug)]
pub(crate) struct Notification<'a> {
    /// The deployment that was judged.
    pub identity: &'a Identity,
    /// The stage with its service: `api/rollback`.
    pub stage: &'a str,
    /// The verdict on the deployment.
    pub verdict: &'a Verdict,
    /// What was done about the verdict.
    pub outcome: &'a ActionOutcome,
    /// When this tool began.
    pub began: DateTime<Utc>,
    /// The duration of the action.
    pub duration: Duration,
    /// The time of the notification.
    pub now: DateTime<Utc>,
}

/// Notifies everybody. A failure is one warning. People are notified while the outcome is recorded, unless this was only to
/// decide.
pub(crate) fn notify(notifiers: &Notifiers, notification: &Notification<'_>, is_dry_run: bool) -> Pending {
    notify_github(&notifiers.github, notification);
    if let Some(alertmanager) = &notifiers.alertmanager {
        notify_alertmanager(alertmanager, notification);
    }
    match notification.for_people().filter(|_| !is_dry_run) {
        Some(news) => notifiers.people.announce(move || news),
        None => Pending::none(),
    }
}

fn notify_alertmanager(alertmanager: &Alertmanager, notification: &Notification<'_>) {
    let alerts = notification.alerts();
    let posted = runtime::block_on(async {
        for alert in &alerts {
            // If one request fails, the next one would fail too.
            alertmanager.post(alert).await?;
        }
        Ok(())
    });
    if let Err(error) = posted.map_err(Error::from).and_then(|result: Result<()>| result) {
        let url = alertmanager.display_url();
        common::cli::warn(TOOL.name, &[format!("no alert was posted: Alertmanager at {url}: {error:#}")]);
    }
}

fn notify_github(github: &GitHub, notification: &Notification<'_>) {
    let Notification { identity, stage, outcome, duration, .. } = notification;
    let (status, level) = status(outcome.exit);
    let text = notification.text();
    if let Some(level) = level {
        github.annotate(level, &format!("{}: {status}", identity.service), &text);
    }
    github.add_row(stage, status, Some(*duration), &text);
}

/// The status in a few words, and the level of its annotation.
fn status(exit: Exit) -> (&'static str, Option<&'static str>) {
    match exit {
        Exit::Success => ("kept", None),
        Exit::Failure => ("nothing went live", Some("warning")),
        Exit::RolledBack => ("rolled back", Some("warning")),
        Exit::RollbackNotDone | Exit::TryLater => ("NOT rolled back", Some("error")),
        Exit::RollbackFailed => ("rollback FAILED or not verified", Some("error")),
        _ => ("inconclusive", Some("warning")),
    }
}

impl Notification<'_> {
    /// Why, and what was done.
    fn text(&self) -> String {
        match self.outcome.message.as_str() {
            "" => self.verdict.why.clone(),
            message => format!("{}: {message}", self.verdict.why),
        }
    }

    /// What people are notified of; `None` if nothing failed, or nothing is known.
    fn for_people(&self) -> Option<::notify::Notification> {
        let event = match self.outcome.exit {
            Exit::RolledBack => Event::RolledBack,
            Exit::Failure | Exit::RollbackNotDone | Exit::TryLater | Exit::RollbackFailed => Event::Failed,
            _ => return None,
        };
        let time = (self.began, self.now);
        let news = ::notify::Notification::new(self.identity, event, &self.text(), time);
        let is_in_doubt = event == Event::Failed && self.outcome.exit != Exit::Failure;
        Some(if is_in_doubt { news } else { news.without_doubt() })
    }

    /// The alerts for Alertmanager.
    fn alerts(&self) -> Vec<Alert> {
        let (verdict, outcome, now) = (self.verdict, self.outcome, self.now);
        let mut alerts = Vec::new();
        // A success ends the alert about an earlier failure.
        if let Some(since) = outcome.resolved_failure {
            alerts.push(self.failure("A later deployment or rollback succeeded.", since, now));
        }
        let from = version(self.identity.version.as_ref(), "a version without a name");
        if outcome.exit == Exit::RollbackFailed {
            let description = format!(
                "{}. Version {from} had to be rolled back because {}. What to do: check which version answers; if it \
                 does not work, run the rollback by hand, and then dm-health. Do not start a second automatic rollback. \
                 docs/runbooks/DEPLOYMENT_DeploymentRollbackFailed.md",
                outcome.message, verdict.why,
            );
            alerts.push(self.failure(&description, now, now + FAILURE_LIFETIME));
        }
        if outcome.result == Some(RollbackResult::Verified) {
            let to = version(outcome.target.as_ref(), "the previous version (name unknown)");
            let description = format!(
                "{}. Rolled back from {from} to {to}. The health check passed afterwards.",
                verdict.why
            );
            let labels =
                [("alertname", "DeploymentRolledBack"), ("severity", "info"), ("auto_action", "log")];
            let summary = format!("{} was rolled back", self.place());
            alerts.push(self.alert(labels, &summary, &description, (now, now + SUCCESS_LIFETIME)));
        }
        alerts
    }

    fn failure(&self, description: &str, from: DateTime<Utc>, until: DateTime<Utc>) -> Alert {
        let labels = [
            ("alertname", "DeploymentRollbackFailed"),
            ("severity", "critical"),
            ("auto_action", "incident"),
        ];
        self.alert(labels, &format!("The rollback of {} failed", self.place()), description, (from, until))
    }

    /// An alert with the labels of the rules in config/prometheus, so that the same event by way of Prometheus is not a
    /// second alert.
    fn alert(
        &self,
        labels: [(&'static str, &str); 3],
        summary: &str,
        description: &str,
        (starts_at, ends_at): (DateTime<Utc>, DateTime<Utc>),
    ) -> Alert {
        let identity = self.identity;
        let mut labels = BTreeMap::from(labels.map(|(name, value)| (name, value.to_owned())));
        labels.insert("service", identity.service.to_string());
        labels.insert("environment", identity.environment.to_string());
        let annotations = BTreeMap::from([
            ("summary", truncate(summary)),
            ("description", truncate(description)),
            ("deployment", identity.deployment.to_string()),
        ]);
        let run_url = identity.run_url.as_ref().map(ToString::to_string);
        let generator_url = run_url.filter(|url| parse_url(url).is_ok());
        Alert { labels, annotations, starts_at, ends_at, generator_url }
    }

    fn place(&self) -> String {
        format!("{} in {}", self.identity.service, self.identity.environment)
    }
}

fn version(label: Option<&Label>, unknown: &str) -> String {
    label.map_or_else(|| unknown.to_owned(), Label::to_string)
}

fn truncate(text: &str) -> String {
    let mut text = text.replace(char::is_control, " ");
    text.truncate(text.floor_char_boundary(MAX_ANNOTATION_BYTES));
    text
}
