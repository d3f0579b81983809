//! Finds the series of this service among those that common libraries and proxies write.

use anyhow::{Result, bail};
use chrono::{DateTime, TimeDelta, Utc};
use common::label::Label;

use super::client::Client;
use super::scope;
use super::selector::{Matcher, Selector};
use super::series::Series;

/// The labels that usually identify a service.
const SERVICE_LABELS: [&str; 3] = ["service", "job", "app"];

/// The server, and whose series are looked for in which time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Query<'a> {
    /// The server.
    pub(super) client: &'a Client,
    /// The service.
    pub(super) service: &'a Label,
    /// Its environment.
    pub(super) environment: &'a Label,
    /// The length of the time until `now`.
    pub(super) range: TimeDelta,
    /// When what is judged began, by the server's clock: the deployment, or its rollback.
    pub(super) since: DateTime<Utc>,
    /// The server's time.
    pub(super) now: DateTime<Utc>,
}

impl Query<'_> {
    /// The raw samples of a selector.
    pub(super) async fn matrix(&self, selector: &str) -> Result<Vec<Series>> {
        self.client.matrix(selector, self.range, self.now).await
    }

    /// The first of these names that the service has, as a selector. `one` limits the query to one series of many. `flag`
    /// selects another; `what` says what is looked for.
    pub(super) async fn find(
        &self,
        (flag, what): (&str, &str),
        names: &[&str],
        one: Option<Matcher>,
    ) -> Result<Selector> {
        for label in SERVICE_LABELS {
            let service = Matcher::is(label, self.service.as_str());
            let any = Matcher::like("__name__", &names.join("|"));
            let matchers = [any, service.clone()].into_iter().chain(one.clone()).collect();
            let candidates = self.matrix(&Selector::new("", matchers).to_string()).await?;
            let is_named =
                |series: &Series, name: &str| series.labels.get("__name__").is_some_and(|has| has == name);
            let has = |name: &&&str| candidates.iter().any(|series| is_named(series, name));
            if let Some(name) = names.iter().find(has) {
                let candidates: Vec<Series> =
                    candidates.into_iter().filter(|series| is_named(series, name)).collect();
                let selector = Selector::new(name, vec![service]);
                return Ok(scope::limit(flag, selector, &candidates, self.environment)?);
            }
        }
        bail!("Prometheus has no usual {what} with service, job or app = {}: give {flag}", self.service)
    }
}
