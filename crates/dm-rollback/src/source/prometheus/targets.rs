//! The targets that serve our counters. One that crashed, or never came up, fails no requests, but is no proof of a good
//! version either. One that left service discovery is normal: a rolling deployment replaces its instances.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use chrono::{DateTime, TimeDelta, Utc};
use common::duration::format_duration;

use super::client::{Client, OVERLAP};
use super::counters::process;
use super::scrapes::Scrapes;
use super::selector::{Matcher, Selector};
use super::series::{Labels, Series};

/// The number of failed scrapes in a row with which a target is down: one may fail while its instance is replaced.
const DOWN: usize = 2;

/// The labels that differ between the instances of one service, also if there is only one.
const INSTANCE: [&str; 7] = ["instance", "pod", "container_id", "node", "host", "uid", "pod_template_hash"];

/// The times of the first and the last sample, in milliseconds, of each target.
#[derive(Debug, Default)]
pub(super) struct Targets {
    seen: BTreeMap<Labels, (i64, i64)>,
}

/// The times that a check is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// When the deployment began.
    pub(super) deployed: DateTime<Utc>,
    /// When what is judged now began: the deployment, or its rollback.
    pub(super) since: DateTime<Utc>,
    /// The server's time.
    pub(super) now: DateTime<Utc>,
}

/// The labels of Prometheus for a target; other setups may have only those of the process.
fn target(labels: &Labels) -> Labels {
    let own = |name: &str| Some((name.to_owned(), labels.get(name)?.clone()));
    match own("instance") {
        Some(instance) => [Some(instance), own("job")].into_iter().flatten().collect(),
        None => process(labels),
    }
}

impl Targets {
    /// Records the times of series whose samples are in order.
    pub(super) fn record<'a>(&mut self, series: impl Iterator<Item = &'a Series>) {
        for series in series {
            let (Some((first, _)), Some((last, _))) = (series.samples.first(), series.samples.last()) else {
                continue;
            };
            let (earliest, latest) = self.seen.entry(target(&series.labels)).or_insert((*first, *last));
            (*earliest, *latest) = ((*earliest).min(*first), (*latest).max(*last));
        }
    }

    /// Checks at the end that each target that appeared beside ours has come up. Those beside ours have the labels that all
    /// of ours have in common, such as `job`, and match what the selector of our series says about them.
    pub(super) async fn check_new(&self, client: &Client, ours: &Selector, times: Times) -> Result<()> {
        let Times { deployed, since, now } = times;
        let is_selected = |up: &&Series| {
            let matches =
                |matcher: &Matcher| up.labels.get(&matcher.label).is_none_or(|it| matcher.matches(it));
            ours.matchers.iter().all(matches)
        };
        let mut known = self.seen.keys().filter(|labels| labels.contains_key("instance"));
        let Some(first) = known.next() else { return Ok(()) };
        let is_common =
            |(name, value): &(&String, &String)| known.clone().all(|it| it.get(*name) == Some(*value));
        let common = first.iter().filter(|(name, _)| *name != "instance").filter(is_common);
        let matchers: Vec<Matcher> = common.map(|(name, value)| Matcher::is(name, value)).collect();
        if matchers.is_empty() {
            return Ok(());
        }
        let ups = Selector::new("up", matchers).to_string();
        let range = now - deployed + OVERLAP;
        let ups = client.matrix(&ups, range, now).await?;
        // The labels of discovery, such as the service, tell ours from others of the same job.
        let instances: BTreeSet<&String> =
            self.seen.keys().filter_map(|labels| labels.get("instance")).collect();
        let is_ours = |up: &&Series| up.labels.get("instance").is_some_and(|it| instances.contains(it));
        let like_ours = common_labels(ups.iter().filter(is_ours).map(|up| &up.labels));
        let is_like_ours =
            |up: &&Series| like_ours.iter().all(|(name, value)| up.labels.get(*name) == Some(value));
        let is_new = |up: &&Series| {
            up.samples.first().is_some_and(|(first, _)| *first > since.timestamp_millis())
                && up.samples.iter().all(|(_, value)| *value < 0.5)
        };
        if !ups.iter().any(|up| is_ours(&up)) {
            return Ok(());
        }
        let mut dead =
            ups.iter().filter(|up| !is_ours(up)).filter(is_like_ours).filter(is_selected).filter(is_new);
        if let Some(up) = dead.find(|up| is_down(up, now)) {
            bail!(
                "{} appeared after the deployment and never came up (up is 0): does the new version start?",
                describe(&target(&up.labels))
            );
        }
        Ok(())
    }

    /// Checks at the end that no target has crashed.
    pub(super) async fn check(&self, client: &Client, scrapes: &Scrapes, times: Times) -> Result<()> {
        let Times { deployed, since, now } = times;
        // A target that was gone long before the deployment is not the deployment's.
        let from = (deployed - OVERLAP).timestamp_millis();
        let newest = scrapes.newest().unwrap_or_default();
        let due = newest - scrapes.patience() / 2;
        let quiet: BTreeMap<&Labels, (i64, i64)> = self
            .seen
            .iter()
            .filter(|(_, (_, last))| (from..due).contains(last))
            .map(|(labels, times)| (labels, *times))
            .collect();
        let instances = quiet.keys().filter_map(|labels| labels.get("instance").cloned());
        let ups = client.of_instances("up", instances, now - deployed + OVERLAP, now).await?;
        for (labels, (first, last)) in quiet {
            let is_same =
                |up: &&Series| labels.iter().all(|(name, value)| up.labels.get(name) == Some(value));
            let mut known = ups.iter().filter(|_| labels.contains_key("instance")).filter(is_same).peekable();
            if known.peek().is_some() {
                if known.any(|up| is_down(up, now)) {
                    bail!(
                        "{} served requests and is down (up is 0): did it crash? If it was stopped on purpose, remove it \
                         from Prometheus's targets",
                        describe(labels)
                    );
                }
            } else if first > since.timestamp_millis() && last < newest - scrapes.patience() {
                let silence = TimeDelta::milliseconds(now.timestamp_millis() - last).to_std();
                bail!(
                    "{} appeared after {since} and has no sample from the last {}: did it crash?",
                    describe(labels),
                    format_duration(silence.unwrap_or_default())
                );
            }
        }
        Ok(())
    }
}

/// The labels that all of these have in common, except for those of one instance.
fn common_labels<'a>(mut all: impl Iterator<Item = &'a Labels>) -> BTreeMap<&'a String, &'a String> {
    let mut common: BTreeMap<_, _> = all.next().into_iter().flatten().collect();
    for labels in all {
        common.retain(|name, value| labels.get(*name) == Some(*value));
    }
    common.retain(|name, _| !INSTANCE.contains(&name.as_str()));
    common
}

/// Whether a target is scraped now, and every one of the last scrapes failed.
fn is_down(up: &Series, now: DateTime<Utc>) -> bool {
    let mut scrapes = Scrapes::default();
    scrapes.record(std::iter::once(up.samples.as_slice()));
    let is_scraped = scrapes.known_until().is_some_and(|until| now.timestamp_millis() <= until);
    let failed = up.samples.iter().rev().take_while(|(_, value)| *value < 0.5).count();
    is_scraped && failed >= DOWN
}

/// `instance="a:80", job="api"`
fn describe(target: &Labels) -> String {
    let labels: Vec<String> = target.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    if labels.is_empty() { "a series without labels".to_owned() } else { labels.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_down_if_it_is_still_scraped_in_vain() {
        let is_down = |values: &[f64], now: i64| {
            let samples = (0..).zip(values).map(|(scrape, value)| (scrape * 10_000, *value)).collect();
            let up = Series { labels: Labels::new(), samples, is_native: false };
            is_down(&up, DateTime::from_timestamp(now, 0).unwrap())
        };
        assert!(is_down(&[1.0, 1.0, 0.0, 0.0], 35));
        assert!(!is_down(&[1.0, 1.0, 1.0, 0.0], 35), "it may be being replaced");
        assert!(!is_down(&[1.0, 1.0, 0.0, 0.0], 60), "it left service discovery");
        assert!(!is_down(&[0.0, 0.0, 1.0], 25), "it came back");
    }
}
