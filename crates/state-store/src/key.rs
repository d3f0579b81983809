//! The name of an object in a store.

use std::fmt::{self, Display, Formatter, Write as _};

use common::fs::name::shortened;
use common::label::Label;

/// The name of an object: segments of `[A-Za-z0-9_%-]` and dots inside, joined by `/`, none too long for a file. Valid as a
/// path in every backend.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    /// The document of a service in an environment: `ENVIRONMENT/SERVICE/state.json`.
    pub fn document(environment: &Label, service: &Label) -> Self {
        Self(format!("{}/{}/state.json", segment(environment.as_str()), segment(service.as_str())))
    }

    /// The sealed segment `number` of what has left that document: `ENVIRONMENT/SERVICE/sealed/0000000042.json`.
    pub fn sealed(environment: &Label, service: &Label, number: u64) -> Self {
        Self(format!(
            "{}/{}/sealed/{number:010}.json",
            segment(environment.as_str()),
            segment(service.as_str())
        ))
    }

    /// A key that a backend listed.
    pub(crate) fn listed(path: &str) -> Self {
        Self(path.to_owned())
    }

    /// The key as a relative path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Display for Key {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A path segment that no other name has. Percent-encodes everything but letters, digits, `-` and `_`.
fn segment(name: &str) -> String {
    let mut segment = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            let _ = write!(segment, "%{byte:02X}");
        }
    }
    shortened(segment)
}
