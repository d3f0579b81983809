//! What the tests of a run share.

use std::time::Duration;

use common::proxy::Proxies;
use common::secrets::Redactor;

use super::clients::Clients;

/// What every test of a run uses.
#[derive(Debug)]
pub(crate) struct RunContext {
    /// Redacts the secrets of the suite and of the environment.
    pub(crate) redactor: Redactor,
    /// The HTTP clients.
    pub(crate) clients: Clients,
    /// The proxies that the clients use, for messages.
    pub(crate) proxies: Proxies,
    /// The environment variables that every command gets.
    pub(crate) env: Vec<(&'static str, String)>,
}

/// The limits of a run, from the flags.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// The most tests that run at once.
    pub(crate) jobs: usize,
    /// The retries of a test that sets none.
    pub(crate) retries: u32,
    /// The pause before a retry.
    pub(crate) retry_delay: Duration,
    /// No further test starts after this number of failed tests.
    pub(crate) max_fail: Option<u64>,
    /// The time limit of the whole run.
    pub(crate) deadline: Option<Duration>,
}
