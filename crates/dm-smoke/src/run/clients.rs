//! The HTTP clients of a run.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use common::{http, tls};
use reqwest::Client;

use crate::suite::model::{HttpTest, Suite, TestKind};
use crate::suite::template::Values;

/// The share of a test's time limit that connecting may take. Below 1, so that a failure tells a missing connection from
/// a missing response.
const CONNECT_SHARE: f64 = 0.9;

/// One client for each time limit in a suite: that to connect belongs to a client, not to a request.
#[derive(Debug, Default)]
pub(crate) struct Clients(BTreeMap<Duration, Client>);

impl Clients {
    /// Creates the clients that the suite needs. With `reuse`, tests share connections. Without, every test opens its own,
    /// so that no test depends on the connection that another left.
    pub(crate) fn new(suite: &Suite, reuse: bool) -> Result<Self> {
        let max_idle = if reuse { usize::MAX } else { 0 };
        let mut needs_tls = BTreeMap::<Duration, bool>::new();
        for test in &suite.tests {
            if let TestKind::Http(http) = &test.kind {
                *needs_tls.entry(test.timeout).or_default() |= may_use_tls(http);
            }
        }
        let client = |(limit, tls): (Duration, bool)| {
            http::builder(tls)
                .connect_timeout(connect_timeout(limit))
                .pool_max_idle_per_host(max_idle)
                // Some servers send headers that the standard no longer allows. Other clients take them.
                .http1_allow_obsolete_multiline_headers_in_responses(true)
                .http1_allow_spaces_after_header_name_in_responses(true)
                .build()
                .map(|client| (limit, client))
                .context("cannot create an HTTP client")
        };
        if needs_tls.values().any(|tls| *tls) {
            tls::check_roots().map_err(anyhow::Error::msg)?;
            // The clients use it. Another one cannot be installed before, so there is no error.
            let _ = tls::provider().install_default();
        }
        needs_tls.into_iter().map(client).collect::<Result<_>>().map(Self)
    }

    /// The client for a test with this time limit.
    pub(super) fn get(&self, limit: Duration) -> Option<&Client> {
        self.0.get(&limit)
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
