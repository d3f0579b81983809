//! Triggers a rollback from one payload of Alertmanager's webhook on stdin. A relay starts this tool for each payload.
//!
//! Anybody who can write to the relay can write a payload, so it is only a hint: it does not choose the service, and
//! nothing is done before Alertmanager itself confirms that the alert is active. Who may post to Alertmanager chooses the
//! labels and the times of an alert, so nothing is done about a deployment that the journal does not know, or that is old.

mod payload;

use std::io::Read;
use std::time::Duration;

use chrono::{DateTime, Utc};
use common::clock::Clock;
use common::duration::{format_duration, parse_positive};
use common::event::Condition;
use common::identity::Identity;
use common::label::Label;
use common::records::{Decision, Verdict};
use common::runtime;
use telemetry::{Entry, Journal};

use crate::decision;
use crate::ledger::stamps::display_time;
use crate::notify::alertmanager::{Active, Alertmanager, Muted, equal};
use crate::safeguards::facts;
use crate::source::alert_labels::AlertLabels;
use crate::source::alert_start::{AlertStarts, Start};
use payload::{Alert, OPT_IN, choose, read};

/// The flags of the trigger.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct TriggerArgs {
    /// Roll back if a payload of Alertmanager's webhook on stdin contains an alert of this service that fires and has
    /// the label auto_action="rollback", if --alertmanager-url confirms that it is still active, and if it began after the
    /// deployment
    #[arg(long)]
    pub from_alertmanager: bool,

    /// With --from-alertmanager: do nothing about a deployment that began longer ago
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = parse_positive, requires = "from_alertmanager")]
    pub max_age: Duration,
}

/// How to judge a payload.
#[derive(Debug)]
pub struct Trigger {
    /// The Alertmanager that confirms the alert.
    pub alertmanager: Alertmanager,
    /// The labels of an alert of this service.
    pub labels: AlertLabels,
    /// How to find out when the condition of an alert began.
    pub starts: AlertStarts,
    /// The age of the oldest deployment that is rolled back.
    pub max_age: Duration,
    /// When the given deployment began, if the journal does not know it.
    pub since: Option<DateTime<Utc>>,
    /// Whether the deployment id was given by a flag or its variable. Otherwise it is the id of the relay's CI run, and
    /// that of the payload or the journal replaces it.
    pub is_deployment_given: bool,
    /// Whether the version was given by a flag or its variable. Otherwise the version is that of the relay.
    pub is_version_given: bool,
}

/// An alert, and the deployment that it is about.
struct Candidate<'a> {
    alert: &'a Alert,
    identity: Identity,
    began: DateTime<Utc>,
}

impl Trigger {
    /// Reads the payload, and asks Alertmanager to confirm it. If it is a reason to roll back, `identity` becomes that
    /// of the deployment that the alert is about.
    pub fn judge(
        &self,
        input: impl Read,
        identity: &mut Identity,
        journal: Option<&Journal>,
        clock: &dyn Clock,
    ) -> Verdict {
        let (answer, reason) = match self.confirm(input, identity, journal, clock) {
            Ok(reason) => (Decision::Rollback, reason),
            Err(reason) => (Decision::Inconclusive, reason),
        };
        decision::without_requests(answer, Condition::Alert, &reason, clock.now())
    }

    fn confirm(
        &self,
        input: impl Read,
        identity: &mut Identity,
        journal: Option<&Journal>,
        clock: &dyn Clock,
    ) -> Result<String, String> {
        let alerts = read(input)?;
        let (chosen, ignored) = choose(&alerts, &self.labels, identity)?;
        let limited = |reason: String| match ignored {
            0 => reason,
            _ => format!("{reason} ({ignored} more alerts of the payload match, and were not looked at)"),
        };
        self.confirm_any(chosen, identity, journal, clock).map(limited).map_err(limited)
    }

    /// Asks Alertmanager to confirm one of these alerts.
    fn confirm_any(
        &self,
        chosen: Vec<&Alert>,
        identity: &mut Identity,
        journal: Option<&Journal>,
        clock: &dyn Clock,
    ) -> Result<String, String> {
        let entries = journal.and_then(|journal| journal.read().ok()).unwrap_or_default();
        let now = clock.now();
        let candidates = chosen.into_iter().map(|alert| self.candidate(alert, identity, &entries, now));
        let candidates = those_that_hold(candidates)?;
        let response = runtime::block_on(self.active(Muted::Excluded));
        let active = response.map_err(anyhow::Error::from).and_then(|active| active).map_err(|error| {
            let name = candidates.first().map(|candidate| candidate.alert.name()).unwrap_or_default();
            format!("{name} fires according to the payload; Alertmanager cannot confirm it: {error:#}")
        })?;
        let confirmed = candidates.iter().map(|candidate| {
            let active = active.iter().find(|active| active.labels == candidate.alert.labels);
            active.map(|active| (candidate, active)).ok_or_else(|| {
                let name = candidate.alert.name();
                format!(
                    "{name} fires according to the payload, but is not (or no longer) active in Alertmanager"
                )
            })
        });
        let confirmed: Vec<(&Candidate<'_>, &Active)> = those_that_hold(confirmed)?;
        let active: Vec<&Active> = confirmed.iter().map(|(_, active)| *active).collect();
        let starts = runtime::block_on(self.starts.of(&active, clock))
            .map_err(|error| format!("cannot ask when the alert began: {error:#}"))?;
        let reasons = confirmed.iter().zip(starts).map(|((candidate, active), start)| {
            let reason = reason(candidate, active, start)?;
            Ok((candidate.identity.clone(), reason))
        });
        let (deployment, reason) =
            those_that_hold(reasons)?.into_iter().next().ok_or("the payload contains no alert")?;
        *identity = deployment;
        Ok(reason)
    }

    /// The active alerts of this service that are a reason to roll back.
    async fn active(&self, muted: Muted) -> anyhow::Result<Vec<Active>> {
        let (label, value) = OPT_IN;
        let matchers = [self.labels.matchers(), vec![equal(label, value)]].concat();
        self.alertmanager.active(&matchers, muted).await
    }

    /// Whether an alert that is a reason to roll back still fires, even if it is silenced.
    pub(crate) async fn is_firing(&self) -> anyhow::Result<bool> {
        Ok(!self.active(Muted::Included).await?.is_empty())
    }

    /// Finds the deployment that the alert is about: the given one, otherwise the one in the label of the alert,
    /// otherwise the last one in the journal. Its version is in the journal too. It must have begun lately.
    fn candidate<'a>(
        &self,
        alert: &'a Alert,
        identity: &Identity,
        entries: &[Entry],
        now: DateTime<Utc>,
    ) -> Result<Candidate<'a>, String> {
        let mut identity = identity.clone();
        if !self.is_deployment_given {
            let labelled = alert.labels.get("deployment").map(|text| text.parse::<Label>());
            let labelled = labelled.transpose().map_err(|error| format!("the label deployment {error}"))?;
            let last = || facts::last_deployment(entries, &identity).map(|last| last.deployment.clone());
            identity.deployment = labelled.or_else(last).ok_or(
                "the deployment is not known: give --deployment-id, or add the label deployment to the alert",
            )?;
        }
        let given = self.since.filter(|_| self.is_deployment_given);
        let began = facts::deployment_start(entries, &identity).or(given).ok_or_else(|| {
            let Identity { deployment, service, environment, .. } = &identity;
            let advice = if self.is_deployment_given { ": give --since, the time it began" } else { "" };
            format!("the journal knows no deployment {deployment} of {service} in {environment}{advice}")
        })?;
        if (now - began).to_std().is_ok_and(|age| age > self.max_age) {
            return Err(format!(
                "deployment {} began at {}: an alert rolls back only a deployment that began in the last {} (--max-age)",
                identity.deployment,
                display_time(began),
                format_duration(self.max_age)
            ));
        }
        if !self.is_version_given {
            identity.version = facts::version_of(entries, &identity);
        }
        Ok(Candidate { alert, identity, began })
    }
}

/// Why this alert is a reason to roll back, or why not: the deployment is not the cause of what began before it.
fn reason(
    candidate: &Candidate<'_>,
    active: &Active,
    start: Result<Start, String>,
) -> Result<String, String> {
    let (name, began) = (candidate.alert.name(), candidate.began);
    let deployment = format!("deployment {} began at {}", candidate.identity.deployment, display_time(began));
    if active.starts_at <= began {
        return Err(format!("{name} fires, but it already fired before {deployment}"));
    }
    match start {
        Ok(Start { time, clause }) if time > began => {
            Ok(format!("{name} fires, and Alertmanager confirms it: {clause}"))
        }
        Ok(Start { clause, .. }) => Err(format!("{name} fires, but {clause}: before {deployment}")),
        Err(why) => Err(format!("{name} fires, but {why}")),
    }
}

/// The values without errors; the first error if there is none.
fn those_that_hold<T>(results: impl Iterator<Item = Result<T, String>>) -> Result<Vec<T>, String> {
    let (mut values, mut first_error) = (Vec::new(), None);
    for result in results {
        match result {
            Ok(value) => values.push(value),
            Err(error) => {
                first_error.get_or_insert(error);
            }
        }
    }
    first_error.filter(|_| values.is_empty()).map_or(Ok(values), Err)
}
