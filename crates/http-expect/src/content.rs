//! What a whole body should be: its size, its checksum, or the content of a file.

use std::fmt::Write as _;

use crate::origin::{Measure, Measured};
use crate::response::Response;

/// One thing that is expected of a whole body, after its coding is undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContentCondition {
    /// Its length in bytes, from and to, both included.
    Size {
        /// The least.
        min: Option<u64>,
        /// The most.
        max: Option<u64>,
    },
    /// Its SHA-256 in hexadecimal digits.
    Sha256(String),
    /// It is the same as this file.
    SameAs {
        /// The name of the file, for messages.
        name: String,
        /// Its content.
        content: Vec<u8>,
    },
}

impl ContentCondition {
    /// Whether a text is a SHA-256.
    pub fn is_sha256(text: &str) -> bool {
        text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    }

    /// Why a response does not meet it; `None` if it does.
    pub(crate) fn unmet(&self, response: &Response) -> Option<String> {
        let Some(measured) = measured(response) else {
            return Some("the body is longer than a MiB, and its size and checksum are not known".to_owned());
        };
        match self {
            Self::Size { min, max } => {
                let is_met = min.is_none_or(|min| measured.bytes >= min)
                    && max.is_none_or(|max| measured.bytes <= max);
                let expected = match (min, max) {
                    (Some(min), Some(max)) if min == max => format!("{min}"),
                    (Some(min), Some(max)) => format!("{min} to {max}"),
                    (Some(min), None) => format!("at least {min}"),
                    (None, max) => format!("at most {}", max.unwrap_or_default()),
                };
                (!is_met).then(|| format!("the body has {} bytes, expected {expected}", measured.bytes))
            }
            Self::Sha256(expected) => {
                let actual = hex(&measured.sha256);
                (!expected.eq_ignore_ascii_case(&actual))
                    .then(|| format!("the SHA-256 of the body is {actual}, expected {expected}"))
            }
            Self::SameAs { name, content } => {
                if Measure::of(content) == measured {
                    return None;
                }
                let same = response.body.iter().zip(content).take_while(|(one, other)| one == other).count();
                Some(format!(
                    "the body of {} bytes is not that of {name}, of {} bytes: they differ from byte {} on",
                    measured.bytes,
                    content.len(),
                    same + 1
                ))
            }
        }
    }
}

fn measured(response: &Response) -> Option<Measured> {
    if response.truncated { response.origin.measured.clone() } else { Some(Measure::of(&response.body)) }
}

/// Hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    use http::HeaderMap;

    use crate::origin::Origin;

    fn unmet(condition: &ContentCondition, body: &[u8]) -> Option<String> {
        condition.unmet(&Response::new(200, HeaderMap::new(), body.to_vec(), false))
    }

    #[test]
    fn sizes_are_compared() {
        let size = |min, max| ContentCondition::Size { min, max };
        assert_eq!(unmet(&size(Some(2), Some(2)), b"ab"), None);
        assert_eq!(unmet(&size(Some(3), Some(3)), b"ab").unwrap(), "the body has 2 bytes, expected 3");
        assert_eq!(unmet(&size(Some(3), None), b"ab").unwrap(), "the body has 2 bytes, expected at least 3");
        assert_eq!(unmet(&size(None, Some(1)), b"ab").unwrap(), "the body has 2 bytes, expected at most 1");
        assert_eq!(unmet(&size(Some(4), Some(9)), b"ab").unwrap(), "the body has 2 bytes, expected 4 to 9");
    }

    #[test]
    fn checksums_and_files_are_compared() {
        // printf abc | sha256sum
        let abc = "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD";
        let sum = ContentCondition::Sha256(abc.to_owned());
        assert_eq!(unmet(&sum, b"abc"), None);
        assert!(unmet(&sum, b"abd").unwrap().contains(", expected BA7816"));
        assert!(ContentCondition::is_sha256(abc) && !ContentCondition::is_sha256("ba78"));
        assert!(!ContentCondition::is_sha256(&"x".repeat(64)));
        let same = ContentCondition::SameAs { name: "a.bin".to_owned(), content: b"abc".to_vec() };
        assert_eq!(unmet(&same, b"abc"), None);
        assert_eq!(
            unmet(&same, b"abd!").unwrap(),
            "the body of 4 bytes is not that of a.bin, of 3 bytes: they differ from byte 3 on"
        );
    }

    #[test]
    fn a_long_body_is_judged_by_its_measures() {
        let mut response = Response::new(200, HeaderMap::new(), b"ab".to_vec(), true);
        let size = ContentCondition::Size { min: Some(3), max: Some(3) };
        assert!(size.unmet(&response).unwrap().contains("are not known"));
        response.origin = Origin { measured: Some(Measure::of(b"abc")), ..Origin::default() };
        assert_eq!(size.unmet(&response), None);
        let same = ContentCondition::SameAs { name: "a".to_owned(), content: b"abc".to_vec() };
        assert_eq!(same.unmet(&response), None);
    }
}
