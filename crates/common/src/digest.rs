//! Digests as names: of texts that are too long, and of what several programs must name alike.

use sha2::{Digest as _, Sha256};

/// The SHA-256 of a text, in 64 hexadecimal digits.
pub(crate) fn hex_digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::new(), |digits, byte| format!("{digits}{byte:02x}"))
}
