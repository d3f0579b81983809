//! Whether Prometheus counts what the journal has: each recording rule, compared with the events.
//!
//! | module | owns |
//! | --- | --- |
//! | `recorded` | what Prometheus has recorded |
//! | `rule` | what a rule must say, from what the journal counts |
//! | `objective` | the events of the objectives |
//! | `values` | the values of a rule, by their labels |
//! | `difference` | what differs, and what caused it |

mod difference;
mod objective;
mod recorded;
mod rule;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use chrono::{DateTime, TimeDelta, Utc};
use common::duration;
use common::env;
use common::event::Event;
use common::exit::Exit;
use common::http::parse_url;
use common::prometheus_api::PrometheusApi;
use common::runtime;
use common::secrets;
use common::term::text::one_line;
use telemetry::{Counts, Outbox, waiting};
use url::Url;

use crate::deployment::Source;
use crate::history::Filter;
use difference::{Difference, Facts, Range, differences};
use recorded::Recorded;
use rule::Rule;
use values::service;

/// The longest window of a rule, and some more.
const LONGEST: TimeDelta = TimeDelta::days(31);

/// The variable with the URL of Prometheus.
const URL: &str = "PROMETHEUS_URL";

/// The variable with its bearer token.
const TOKEN: &str = "PROMETHEUS_TOKEN";

/// The flags.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct AuditArgs {
    /// With --audit: the Prometheus with the recording rules [default: $PROMETHEUS_URL]. The bearer token is in
    /// $PROMETHEUS_TOKEN, or in the file that it names as file:PATH
    #[arg(long, value_name = "URL", value_parser = parse_url, requires = "audit")]
    prometheus: Option<Url>,

    /// With --audit: how long an event may take until the rules count it: a push, a scrape, and an evaluation
    #[arg(long, value_name = "DURATION", default_value = "3m", value_parser = duration::parse, requires = "audit")]
    settle: Duration,
}

/// What to compare.
#[derive(Debug)]
pub(crate) struct Audit {
    api: PrometheusApi,
    filter: Filter,
    settle: TimeDelta,
}

impl Audit {
    /// Makes it from the flags.
    ///
    /// # Errors
    /// There is no Prometheus, or its token cannot be sent.
    pub(crate) fn plan(args: AuditArgs, filter: Filter) -> Result<Self> {
        // Only here: what is wrong with a variable that dm-rollback needs must not keep a stage from running.
        let variable = || env::system(URL).map(|text| parse_url(&text)).transpose();
        let url = args.prometheus.map_or_else(variable, |url| Ok(Some(url)));
        let url = url
            .map_err(|problem| anyhow!("{URL} is {problem}"))?
            .with_context(|| format!("--audit needs a Prometheus: write --prometheus URL, or set {URL}"))?;
        let token = secrets::read(env::system(TOKEN).map(Into::into)).context(TOKEN)?;
        let api = PrometheusApi::new(url, token.as_ref())?;
        Ok(Self { api, filter, settle: TimeDelta::from_std(args.settle)? })
    }

    /// Compares. Returns what to print, and the verdict: 1 if something differs; 3 if it may be that the journal does not
    /// have everything.
    ///
    /// # Errors
    /// The journal or Prometheus cannot be read.
    pub(crate) fn run(&self, source: &Source, now: DateTime<Utc>) -> Result<(String, Exit)> {
        let mut events = source.read_since(now - LONGEST)?.into_events();
        let oldest = events.first().map(|event| event.ts);
        events.retain(|event| self.filter.selects(&event.identity));
        let services: BTreeSet<(String, String)> = events.iter().map(own).collect();
        let facts = Facts {
            now,
            journal_since: oldest.filter(|_| !source.is_shared()),
            is_shared: source.is_shared(),
            waiting: source.state_dir().map(|folder| waiting(&Outbox::new(folder))).unwrap_or_default(),
        };
        let comparing = async {
            let mut recorded = Recorded::read(&self.api, now).await?;
            for values in recorded.rules.values_mut() {
                values.retain(|labels, _| services.contains(&service(labels)));
            }
            let rules = rules(&recorded);
            let windows = self.windows(&rules, &events, now);
            let ranges = ranges(&rules, &windows, &recorded);
            let mut found = compare(&ranges, &recorded, &facts);
            if !found.is_empty() {
                recorded.read_history(&self.api, now).await?;
                found = compare(&ranges, &recorded, &facts);
            }
            Ok::<_, anyhow::Error>((rules, found))
        };
        let (rules, found) = runtime::block_on(comparing)
            .context("cannot set up the event loop")?
            .context("cannot read Prometheus")?;
        Ok((text(source, (&rules, &services), &found), verdict(&found)))
    }

    /// What the journal counts within each window, at least and at most. Whether the events at the ends of a window count
    /// depends on when they were scraped and when the rule was evaluated.
    fn windows(
        &self,
        rules: &[Rule],
        events: &[Event],
        now: DateTime<Utc>,
    ) -> BTreeMap<Duration, [Counts; 2]> {
        let windows: BTreeSet<Duration> = rules.iter().map(|rule| rule.window).collect();
        let counts = |from: DateTime<Utc>, to: DateTime<Utc>| Counts::new(events, |ts| from < ts && ts <= to);
        let ends = windows.into_iter().map(|window| {
            let began = now - TimeDelta::from_std(window).unwrap_or_default();
            let least = counts(began + self.settle, now - self.settle);
            (window, [least, counts(began - self.settle, now + self.settle)])
        });
        ends.collect()
    }
}

/// What the journal says of each rule.
fn ranges<'a>(
    rules: &'a [Rule],
    windows: &BTreeMap<Duration, [Counts; 2]>,
    recorded: &Recorded,
) -> Vec<(&'a Rule, Range)> {
    let range = |rule: &'a Rule| {
        let [low, high] =
            windows[&rule.window].each_ref().map(|counts| rule.values(counts, &recorded.objectives));
        (rule, Range { low, high })
    };
    rules.iter().map(range).collect()
}

/// What differs in the values of all rules.
fn compare(ranges: &[(&Rule, Range)], recorded: &Recorded, facts: &Facts) -> Vec<Difference> {
    ranges.iter().flat_map(|(rule, range)| differences(rule, range, recorded, facts)).collect()
}

/// The rules that Prometheus has, and those that it must have.
fn rules(recorded: &Recorded) -> Vec<Rule> {
    let must = [
        "service_environment:deployment_total:increase1d",
        "slo:events:increase30d",
        "slo:bad_events:increase30d",
    ];
    let names: BTreeSet<&str> = recorded.rules.keys().map(String::as_str).chain(must).collect();
    names.into_iter().filter_map(Rule::named).collect()
}

fn own(event: &Event) -> (String, String) {
    (event.identity.service.to_string(), event.identity.environment.to_string())
}

fn verdict(found: &[Difference]) -> Exit {
    if found.iter().any(|difference| !difference.is_undecided) {
        Exit::Failure
    } else if found.is_empty() {
        Exit::Success
    } else {
        Exit::Inconclusive
    }
}

fn text(
    source: &Source,
    (rules, services): (&[Rule], &BTreeSet<(String, String)>),
    found: &[Difference],
) -> String {
    let mut text =
        found.iter().map(|difference| one_line(&difference.to_string()) + "\n").collect::<String>();
    let of = |number: usize, one: &str| format!("{number} {one}{}", if number == 1 { "" } else { "s" });
    let _ = writeln!(
        text,
        "{} of {} compared with {source}: {}",
        of(rules.len(), "rule"),
        of(services.len(), "service"),
        if found.is_empty() { "no difference".to_owned() } else { of(found.len(), "difference") }
    );
    text
}
