//! What was counted of a stage, as it is kept between two tools.

use std::io;

use chrono::{DateTime, TimeDelta, Utc};
use common::event::Event;
use common::fs::name::shortened;
use otlp::{MetricSet, Temporality};
use serde::{Deserialize, Serialize};

use super::metric_set::metrics;
use crate::metrics::encode::encode_text;
use crate::metrics::parse::parse_all;
use crate::metrics::{Exposition, Outage, contribution};
use crate::pushgateway::joined;

/// A stage of a service in an environment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct StageName {
    environment: String,
    service: String,
    pub(super) stage: String,
}

/// What was counted of a stage.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Counted {
    pub(super) name: StageName,
    /// Since when the counters count.
    start: DateTime<Utc>,
    /// The time of the newest point.
    pub(super) time: DateTime<Utc>,
    /// The counters and histograms, in the text format.
    counters: String,
    /// The newest gauges, in the text format.
    state: String,
    /// The files of the events that were added last. If their tool is killed before it removes them, they are found again.
    added: Vec<String>,
}

impl StageName {
    /// The stage of an event.
    pub(super) fn of(event: &Event) -> Self {
        Self {
            environment: event.identity.environment.to_string(),
            service: event.identity.service.to_string(),
            stage: event.stage.to_string(),
        }
    }

    /// Another stage of the same service.
    pub(super) fn sibling(&self, stage: &str) -> Self {
        Self { stage: stage.to_owned(), ..self.clone() }
    }

    /// The name of its file.
    pub(super) fn file(&self) -> String {
        shortened(joined([&*self.environment, &*self.service, &*self.stage]))
    }
}

impl Counted {
    /// What is counted after these events, which have files; `None` if all of them are in `before`.
    ///
    /// # Errors
    /// The text format cannot express it.
    pub(super) fn after(
        before: Option<&Self>,
        (name, events): (&StageName, &[(&str, &Event)]),
        (temporality, now): (Temporality, DateTime<Utc>),
        mut outage: Option<Outage>,
    ) -> io::Result<Option<Self>> {
        let is_new =
            |file: &str| !before.is_some_and(|before| before.added.iter().any(|added| added == file));
        let mut new = events.iter().filter(|(file, _)| is_new(file)).map(|(_, event)| *event).peekable();
        let Some(first) = new.peek() else { return Ok(None) };
        let began = first.started_at().unwrap_or(first.ts);
        let last = before.map_or(began, |before| before.time);
        let (start, mut counters) = match (before, temporality) {
            (Some(before), Temporality::Cumulative) => (before.start, parse_all(&before.counters)),
            (_, Temporality::Delta) | (None, _) => (last, Exposition::default()),
        };
        let mut state = before.map(Self::state).unwrap_or_default();
        for event in new {
            let mut event = event.clone();
            if let Some(outage) = &mut outage {
                outage.add(&mut event);
            }
            let more = contribution(&event);
            counters.add(&more.counters);
            state.replace(&more.state, &[]);
        }
        Ok(Some(Self {
            name: name.clone(),
            start,
            // No two points of a series have the same time, also if the clock was set back.
            time: now.max(last + TimeDelta::milliseconds(1)),
            counters: encode_text(&counters).map_err(io::Error::other)?,
            state: encode_text(&state).map_err(io::Error::other)?,
            added: events.iter().map(|(file, _)| (*file).to_owned()).collect(),
        }))
    }

    /// The newest gauges.
    pub(super) fn state(&self) -> Exposition {
        parse_all(&self.state)
    }

    /// The metrics, counted by this instance.
    pub(super) fn into_set(self, instance: String, temporality: Temporality) -> MetricSet {
        let mut all = parse_all(&self.counters);
        all.families.extend(self.state().families);
        let StageName { environment, service, stage } = self.name;
        let labels = [("service", &*service), ("environment", &*environment), ("stage", &*stage)];
        let metrics = metrics(&all.with_labels(&labels));
        MetricSet { service, environment, instance, start: self.start, time: self.time, temporality, metrics }
    }
}
