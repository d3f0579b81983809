//! What a store contains: objects, with versions.

use serde::{Deserialize, Serialize};

/// The largest object.
pub(crate) const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// The version of an object, as its backend names it. Only equality means something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version(pub(crate) String);

/// An object as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// The content; at most 8 MiB.
    pub bytes: Vec<u8>,
    /// The version that a conditional write needs.
    pub version: Version,
}
