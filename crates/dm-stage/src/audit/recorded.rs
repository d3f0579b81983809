//! What Prometheus has recorded.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use chrono::{DateTime, Utc};
use common::prometheus_api::PrometheusApi;
use serde::Deserialize;

use super::values::{Labels, Values, service};

/// All rules of a service.
const RULES: &str = r#"{__name__=~"(service_environment|slo):.+",service!=""}"#;

/// What share of the events of an objective must be good.
const OBJECTIVES: &str = "slo:objective:ratio";

/// Whether the Pushgateway is scraped.
const UP: &str = r#"min(up{job="pushgateway"})"#;

/// The first scrape of the Pushgateway that Prometheus still has, in seconds since the epoch, to the hour, or if there was
/// none before this hour, to the quarter of a minute.
const SINCE: &str = r#"min(min_over_time(timestamp(up{job="pushgateway"})[31d:1h])
    or min_over_time(timestamp(up{job="pushgateway"})[1h:15s]))"#;

/// The services whose counters decreased.
const RESETS: &str = r#"resets(service_environment:deployment_total:sum{service!=""}[30d]) > 0"#;

/// What Prometheus has recorded.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    /// The values of each rule.
    pub(super) rules: BTreeMap<String, Values>,
    /// The objectives by their name.
    pub(super) objectives: BTreeMap<String, f64>,
    /// Whether the Pushgateway answered the last scrape; `None` if it is not scraped.
    pub(super) is_scraped: Option<bool>,
    /// The first scrape of the Pushgateway.
    pub(super) since: Option<DateTime<Utc>>,
    /// The services, with their environments, whose counters decreased.
    pub(super) reset: BTreeSet<(String, String)>,
}

#[derive(Deserialize)]
struct Vector {
    result: Vec<Sample>,
}

#[derive(Deserialize)]
struct Sample {
    metric: Labels,
    value: (f64, String),
}

impl Sample {
    fn value(&self) -> f64 {
        self.value.1.parse().unwrap_or(f64::NAN)
    }
}

impl Recorded {
    /// Asks Prometheus. `time` is the time of all queries.
    pub(super) async fn read(api: &PrometheusApi, time: DateTime<Utc>) -> Result<Self> {
        let mut recorded = Self::default();
        for mut sample in query(api, RULES, time).await? {
            let Some(name) = sample.metric.remove("__name__") else { continue };
            if let Some(bound) = sample.metric.get_mut("le") {
                // 720 and 720.0 are the same, and so are inf and +Inf.
                *bound = bound.parse::<f64>().context("a bucket has no bound")?.to_string();
            }
            let value = sample.value();
            recorded.rules.entry(name).or_default().insert(sample.metric, value);
        }
        for sample in query(api, OBJECTIVES, time).await? {
            let value = sample.value();
            recorded.objectives.extend(sample.metric.get("slo").map(|slo| (slo.clone(), value)));
        }
        Ok(recorded)
    }

    /// Asks for what explains differences: this takes longer.
    pub(super) async fn read_history(&mut self, api: &PrometheusApi, time: DateTime<Utc>) -> Result<()> {
        self.is_scraped = query(api, UP, time).await?.first().map(|sample| sample.value() > 0.0);
        #[expect(clippy::cast_possible_truncation, reason = "a float-to-integer cast saturates")]
        let at = |sample: &Sample| DateTime::from_timestamp(sample.value() as i64, 0);
        self.since = query(api, SINCE, time).await?.first().and_then(at);
        for sample in query(api, RESETS, time).await? {
            self.reset.insert(service(&sample.metric));
        }
        Ok(())
    }
}

/// The result of an instant query.
async fn query(api: &PrometheusApi, query: &str, time: DateTime<Utc>) -> Result<Vec<Sample>> {
    let parameters = [("query", query), ("time", &time.to_rfc3339())];
    api.get::<Vector>("query", &parameters, query).await.map(|vector| vector.result)
}
