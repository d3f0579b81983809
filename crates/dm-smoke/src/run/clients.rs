//! The HTTP clients of a run.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use common::event::Reason;
use common::fs::bounded::MAX_SMALL_BYTES;
use common::{http, tls};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Certificate, Client, ClientBuilder, Identity};
use url::Url;

use super::payload::read_file;
use super::route::{ClientKey, Route};
use crate::failure::Failure;
use crate::suite::connection::{HttpVersion, Tls};
use crate::suite::model::{HttpTest, Suite, TestKind};
use crate::suite::template::Values;

/// The share of a test's time limit that connecting may take. Below 1, so that a failure tells a missing connection from
/// a missing response.
const CONNECT_SHARE: f64 = 0.9;

/// The clients of a run. Those that are known before it are created before it: that takes time, which the first request
/// should not seem to take.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    clients: Mutex<HashMap<ClientKey, Client>>,
    max_idle: usize,
}

impl Clients {
    /// Creates the clients that the suite needs. With `reuse`, tests share connections. Without, every test opens its own,
    /// so that no test depends on the connection that another left.
    pub(crate) fn new(suite: &Suite, reuse: bool) -> Result<Self> {
        let tests = || {
            suite.tests.iter().filter_map(|test| match &test.kind {
                TestKind::Http(http) => Some((http, test.timeout)),
                TestKind::Command(_) => None,
            })
        };
        if tests().any(|(http, _)| may_use_tls(http)) {
            tls::check_roots().map_err(anyhow::Error::msg)?;
            // The clients use it. Another one cannot be installed before, so there is no error.
            let _ = tls::provider().install_default();
        }
        let clients = Self { clients: Mutex::default(), max_idle: if reuse { usize::MAX } else { 0 } };
        for key in tests().flat_map(|(http, limit)| keys(http, limit)) {
            // A test whose client cannot be created fails, and says why.
            let _ = clients.get(&key);
        }
        Ok(clients)
    }

    /// The client for a route.
    pub(super) fn get(&self, key: &ClientKey) -> Result<Client, Failure> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(key) {
            return Ok(client.clone());
        }
        let client = self.create(key)?;
        clients.insert(key.clone(), client.clone());
        Ok(client)
    }

    fn create(&self, key: &ClientKey) -> Result<Client, Failure> {
        let ClientKey { limit, is_tls, version, socket, lookup, is_direct, tls } = key;
        let builder = http::negotiating_builder(*is_tls)
            .connect_timeout(connect_timeout(*limit))
            .pool_max_idle_per_host(self.max_idle)
            // The certificate of the server, for its expectations.
            .tls_info(*is_tls)
            // Some servers send headers that the standard no longer allows. Other clients take them.
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .http1_allow_spaces_after_header_name_in_responses(true);
        let builder = match version {
            Some(HttpVersion::OneZero | HttpVersion::OneOne) => builder.http1_only(),
            Some(HttpVersion::Two) => builder.http2_prior_knowledge(),
            None => builder,
        };
        let builder = if *is_direct { builder.no_proxy() } else { builder };
        let builder = match socket {
            Some(path) => builder.unix_socket(path.as_path()),
            None => builder,
        };
        let builder = match lookup {
            Some((host, port)) => builder.dns_resolver(AlwaysSame { host: host.clone(), port: *port }),
            None => builder,
        };
        let builder = match tls {
            Some(tls) => with_tls(builder, tls)?,
            None => builder,
        };
        let failed = |error| {
            Failure::error(
                Reason::Tls,
                format!("cannot use the certificates: {}", http::describe_error(error)),
            )
        };
        builder.build().map_err(failed)
    }
}

/// The clients of the requests that are known before the run.
fn keys(test: &HttpTest, limit: Duration) -> Vec<ClientKey> {
    let key =
        |url: &Url, first: &Url| Route::new(url, first, &test.connection, limit).map(|route| route.client);
    let Ok(url) = Url::parse(&test.url.render(&Values::new())) else { return Vec::new() };
    let mut urls = vec![url.clone()];
    if test.max_redirects > 0 {
        let mut secure = url.clone();
        // A redirect often leads to the same host by TLS, or to another one.
        if secure.set_scheme("https").is_ok() {
            urls.push(secure);
        }
        urls.extend(Url::parse("https://other.invalid/"));
    }
    urls.iter().filter_map(|to| key(to, &url).ok()).collect()
}

/// Adds certificates from files.
fn with_tls(mut builder: ClientBuilder, tls: &Tls) -> Result<ClientBuilder, Failure> {
    let not_in =
        |path: &Path, what: &str| Failure::error(Reason::Tls, format!("{} contains {what}", path.display()));
    if let Some(path) = &tls.ca {
        let found = Certificate::from_pem_bundle(&read_file(path, MAX_SMALL_BYTES)?);
        let found = found.ok().filter(|found| !found.is_empty());
        builder = builder.tls_certs_only(found.ok_or_else(|| not_in(path, "no PEM certificates"))?);
    }
    if let Some(path) = &tls.cert {
        let mut pem = read_file(path, MAX_SMALL_BYTES)?;
        if let Some(key) = &tls.key {
            pem.push(b'\n');
            pem.extend(read_file(key, MAX_SMALL_BYTES)?);
        }
        let identity = Identity::from_pem(&pem);
        let what = if tls.key.is_some() {
            "no PEM certificate, or key has no key"
        } else {
            "no PEM certificate with its key"
        };
        builder = builder.identity(identity.map_err(|_| not_in(path, what))?);
    }
    Ok(if tls.insecure { builder.tls_danger_accept_invalid_certs(true) } else { builder })
}

/// Looks up one host, whatever the name.
struct AlwaysSame {
    host: String,
    port: u16,
}

impl Resolve for AlwaysSame {
    fn resolve(&self, _: Name) -> Resolving {
        let address = (self.host.clone(), self.port);
        Box::pin(async move {
            let found: Vec<_> = tokio::net::lookup_host(address).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
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
