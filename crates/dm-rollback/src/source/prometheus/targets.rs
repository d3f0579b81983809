//! The targets that serve our counters. One that crashed fails no requests, but is no proof of a good version either. One
//! that left service discovery is normal: a rolling deployment replaces its instances.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use chrono::{DateTime, TimeDelta, Utc};
use common::duration::format_duration;

use super::client::{Client, OVERLAP};
use super::counters::process;
use super::scrapes::Scrapes;
use super::series::{Labels, Series};

/// The number of failed scrapes in a row with which a target is down: one may fail while its instance is replaced.
const DOWN: usize = 2;

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
