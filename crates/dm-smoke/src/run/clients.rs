//! The HTTP clients of a run.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use common::{http, tls};
use reqwest::Client;
use reqwest::redirect::Policy;

use crate::suite::model::{HttpTest, Suite, TestKind};
use crate::suite::template::Values;

/// The share of a test's time limit that connecting may take. Below 1, so that a failure tells a missing connection from
/// a missing response.
const CONNECT_SHARE: f64 = 0.9;

/// The settings that belong to a client, not to a request: a test's time limit, and how many redirects it follows.
type Settings = (Duration, u32);

/// One client for each combination of settings in a suite.
#[derive(Debug, Default)]
pub(crate) struct Clients(BTreeMap<Settings, Client>);

impl Clients {
    /// Creates the clients that the suite needs. With `reuse`, tests share connections. Without, every test opens its own,
    /// so that no test depends on the connection that another left.
    pub(crate) fn new(suite: &Suite, reuse: bool) -> Result<Self> {
        let max_idle = if reuse { usize::MAX } else { 0 };
        let mut needs_tls = BTreeMap::<Settings, bool>::new();
        for test in &suite.tests {
            if let TestKind::Http(http) = &test.kind {
                *needs_tls.entry((test.timeout, http.max_redirects)).or_default() |= may_use_tls(http);
            }
        }
        let client = |(settings, tls): (Settings, bool)| {
            let (limit, redirects) = settings;
            http::builder(tls)
                .connect_timeout(connect_timeout(limit))
                .pool_max_idle_per_host(max_idle)
                .redirect(follow_at_most(redirects))
                .build()
                .map(|client| (settings, client))
                .context("cannot create an HTTP client")
        };
        if needs_tls.values().any(|tls| *tls) {
            // The clients use it. Another one cannot be installed before, so there is no error.
            let _ = tls::provider().install_default();
        }
        needs_tls.into_iter().map(client).collect::<Result<_>>().map(Self)
    }

    /// The client for a test with this time limit and number of redirects.
    pub(super) fn get(&self, limit: Duration, redirects: u32) -> Option<&Client> {
        self.0.get(&(limit, redirects))
    }
}

/// The time limit of connecting, for a test with the time limit `limit`.
pub(super) fn connect_timeout(limit: Duration) -> Duration {
    limit.mul_f64(CONNECT_SHARE)
}

/// A redirect or a captured URL can lead anywhere.
fn may_use_tls(test: &HttpTest) -> bool {
    test.max_redirects > 0
        || test.url.starts_with_value()
        || test.url.render(&Values::new()).starts_with("https:")
}

/// Returns the first redirect beyond the limit as the response, so that the test sees its status.
fn follow_at_most(redirects: u32) -> Policy {
    Policy::custom(move |attempt| {
        if attempt.previous().len() > redirects as usize { attempt.stop() } else { attempt.follow() }
    })
}
