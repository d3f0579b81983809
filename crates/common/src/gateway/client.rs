//! The four requests a Pushgateway understands.

use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use reqwest::{Client, Method};
use url::Url;

use super::key::Key;
use crate::http;
use crate::label::without_secrets;
use crate::metrics::encode::encode;
use crate::metrics::{Exposition, parse::parse};

/// A store of 4,000 groups is about 8 MB of text; what is far above that is not a gateway's answer.
const MAX_READ_BYTES: usize = 64 * 1024 * 1024;

/// So much of the gateway's own explanation is shown.
const MAX_EXPLANATION_BYTES: usize = 400;

/// A gateway that can be talked to.
#[derive(Debug, Clone)]
pub struct GatewayClient {
    base: Url,
    http: Client,
    timeout: Duration,
}

impl GatewayClient {
    /// Requests to the gateway at `base`, each of at most `timeout`.
    pub fn new(base: &Url, timeout: Duration) -> Result<Self> {
        Ok(Self { base: base.clone(), http: http::client(base)?, timeout })
    }

    /// Replaces the group.
    pub async fn put(&self, key: &Key, content: &Exposition) -> Result<()> {
        self.send(Method::PUT, key, encode(content)?).await
    }

    /// Replaces, in the group, the families that `content` has. With no content it is a heartbeat: only the time of
    /// the last push moves.
    pub async fn post(&self, key: &Key, content: &Exposition) -> Result<()> {
        self.send(Method::POST, key, encode(content)?).await
    }

    /// Deletes the group.
    pub async fn delete(&self, key: &Key) -> Result<()> {
        self.send(Method::DELETE, key, Vec::new()).await
    }

    /// What the group holds, without the group's own labels and the times of pushes; `None` where it does not exist.
    ///
    /// The whole store is read, for the gateway offers nothing smaller; of `/metrics` and the JSON API, `/metrics` is
    /// the one that is three times faster.
    pub async fn read(&self, key: &Key) -> Result<Option<Exposition>> {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("metrics");
        }
        let request = self.http.get(url).timeout(self.timeout);
        let response = request.send().await.map_err(|error| anyhow!(http::explain(error)))?;
        if !response.status().is_success() {
            bail!("it answered {} to a read", response.status());
        }
        let text = String::from_utf8_lossy(&http::body(response, MAX_READ_BYTES).await?).into_owned();
        if !text.contains("pushgateway_build_info") {
            // A proxy's friendly page would read as "no such group", and every counter would begin at 0 again.
            bail!("what answered a read is not a Pushgateway");
        }
        Ok(group_in(&text, key))
    }

    async fn send(&self, method: Method, key: &Key, body: Vec<u8>) -> Result<()> {
        let request = self.http.request(method.clone(), key.url(&self.base)).timeout(self.timeout).body(body);
        let response = request.send().await.map_err(|error| anyhow!(http::explain(error)))?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let explanation = http::body(response, MAX_EXPLANATION_BYTES).await.unwrap_or_default();
        let explanation = String::from_utf8_lossy(&explanation).trim().replace(char::is_control, " ");
        if status.is_redirection() {
            bail!("it answered {status}: give the URL that it redirects to");
        }
        bail!("it answered {status} to a {method}: {explanation}");
    }

    /// The gateway's URL as it may be shown.
    pub fn shown(&self) -> String {
        without_secrets(&self.base)
    }
}

fn group_in(text: &str, key: &Key) -> Option<Exposition> {
    let likely =
        |line: &str| key.labels().all(|(_, value)| line.contains(value) || value.contains(['"', '\\']));
    let mut group = parse(text, likely, |labels| {
        let ours = key.labels().all(|(name, value)| labels.remove(name).is_some_and(|found| found == value));
        labels.remove("instance");
        ours
    });
    let exists = !group.families.is_empty();
    group.families.remove("push_time_seconds");
    group.families.remove("push_failure_time_seconds");
    exists.then_some(group)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::tests::stage_event;

    #[test]
    fn a_group_is_found_among_others_and_loses_the_gateway_s_own_labels() {
        let event = stage_event("build");
        let text = "# TYPE deployment_total counter\n\
            deployment_total{environment=\"production\",instance=\"\",job=\"dm_counters\",service=\"api\",slot=\"0\",stage=\"build\",status=\"success\"} 41\n\
            deployment_total{environment=\"production\",instance=\"\",job=\"dm_counters\",service=\"api\",slot=\"1\",stage=\"build\",status=\"success\"} 7\n\
            push_time_seconds{environment=\"production\",instance=\"\",job=\"dm_counters\",service=\"api\",slot=\"0\",stage=\"build\"} 1e9\n";
        let found = group_in(text, &Key::counters(&event.identity, &event.stage)).unwrap();
        let mut expected = Exposition::default();
        expected.increase(crate::metrics::family::TOTAL, &[("status", "success")], 41.0);
        expected.families.get_mut("deployment_total").unwrap().help.clear();
        assert_eq!(found, expected);
        assert_eq!(group_in(text, &Key::counters(&event.identity, &"deploy".parse().unwrap())), None);
    }
}
