//! What requests have in common.

use reqwest::header::HeaderName;

use super::connection::Connection;
use super::template::Template;

/// A header with its value.
pub(crate) type Header = (HeaderName, Template);

/// What all requests to the deployment have in common.
#[derive(Debug, Default)]
pub(crate) struct Defaults {
    /// Headers.
    pub(crate) headers: Vec<Header>,
    /// Settings.
    pub(crate) settings: Settings,
}

impl Defaults {
    /// These defaults; what they do not set from `others`.
    #[must_use]
    pub(crate) fn or(mut self, others: Self) -> Self {
        let more =
            others.headers.into_iter().filter(|(name, _)| !self.headers.iter().any(|(own, _)| own == name));
        let more: Vec<_> = more.collect();
        self.headers.extend(more);
        Self { settings: self.settings.or(&others.settings), headers: self.headers }
    }
}

/// Settings that a request can have, or the defaults.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    /// How the server is reached.
    pub(crate) connection: Connection,
    /// Whether cookies are sent and kept.
    pub(crate) cookies: Option<bool>,
    /// Whether a compressed response is asked for.
    pub(crate) compressed: Option<bool>,
}

impl Settings {
    /// These settings; those that are not set from `defaults`.
    #[must_use]
    pub(crate) fn or(self, defaults: &Self) -> Self {
        Self {
            connection: self.connection.or(&defaults.connection),
            cookies: self.cookies.or(defaults.cookies),
            compressed: self.compressed.or(defaults.compressed),
        }
    }
}
