//! Where a response came from, and what of its body was not kept.

use http::Version;
use sha2::{Digest as _, Sha256};

use crate::certificate::Certificate;

/// Where a response came from, as far as its client knows.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The version of HTTP.
    pub version: Option<Version>,
    /// The URL that answered, after all redirects.
    pub url: Option<String>,
    /// The URLs of the redirects that were followed.
    pub redirects: Vec<String>,
    /// The server's certificate.
    pub certificate: Option<Certificate>,
    /// What is known of a body that was longer than the part that was kept.
    pub measured: Option<Measured>,
}

/// A body that was received, but not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// Its length in bytes.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
}

/// Measures a body as it arrives.
#[derive(Debug, Default)]
pub struct Measure {
    bytes: u64,
    hash: Sha256,
}

impl Measure {
    /// Adds a part of the body.
    pub fn add(&mut self, part: &[u8]) {
        self.bytes += u64::try_from(part.len()).unwrap_or(u64::MAX);
        self.hash.update(part);
    }

    /// The measures of the whole body.
    pub fn finish(self) -> Measured {
        Measured { bytes: self.bytes, sha256: self.hash.finalize().into() }
    }

    /// The measures of a whole body.
    pub fn of(body: &[u8]) -> Measured {
        let mut measure = Self::default();
        measure.add(body);
        measure.finish()
    }
}
