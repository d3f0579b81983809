//! Short names for long or secret texts.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// 32 hexadecimal digits that stand for the text, and do not disclose it.
pub(crate) fn digest(text: &str) -> String {
    Sha256::digest(text).iter().take(16).fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
