//! What the exporter has to know. It is sent through a pipe: it contains passwords.

use std::io::Read;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::pushgateway::PortableEndpoint;

/// The longest text of a job: two files of certificates, and headers.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// What the exporter has to know.
#[derive(Serialize, Deserialize)]
pub(crate) struct Job {
    /// The state directory, from the root.
    pub(crate) state_dir: PathBuf,
    /// The Pushgateway, if there is one. The collectors of OpenTelemetry are in the environment.
    pub(crate) gateway: Option<PortableEndpoint>,
}

impl Job {
    /// Reads a job.
    ///
    /// # Errors
    /// The tool that sent it was killed, or it is of another version.
    pub(super) fn read(from: impl Read) -> Result<Self> {
        serde_json::from_reader(from.take(MAX_BYTES)).context("no job")
    }

    /// The text that [`Job::read`] reads.
    pub(super) fn to_text(&self) -> Result<Vec<u8>> {
        Ok(serde_json::to_vec(self)?)
    }
}
