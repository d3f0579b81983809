//! The encoding of a report.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// The most bytes of a document that are searched for the name of its encoding.
const DECLARATION: usize = 256;

/// Decodes a report: by its byte order mark, the pattern of UTF-16, or the XML declaration. The default is UTF-8.
pub(super) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    let encoding = utf_16(bytes).or_else(|| declared(bytes)).unwrap_or(UTF_8);
    // A byte order mark takes precedence, and is removed.
    encoding.decode(bytes).0
}

/// UTF-16 without a byte order mark, as the first character shows it: reports begin with ASCII.
fn utf_16(bytes: &[u8]) -> Option<&'static Encoding> {
    match bytes {
        [0, second, ..] if *second != 0 => Some(UTF_16BE),
        [first, 0, ..] if *first != 0 => Some(UTF_16LE),
        _ => None,
    }
}

/// The encoding that an XML declaration names.
fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    let start = bytes.get(..DECLARATION).unwrap_or(bytes).trim_ascii_start().strip_prefix(b"<?xml")?;
    let declaration = start.split(|byte| *byte == b'>').next()?;
    let at = declaration.windows(8).position(|window| window == b"encoding")?;
    let label = declaration.get(at + 8..)?.split(|byte| matches!(byte, b'"' | b'\'')).nth(1)?;
    // The bytes of the declaration were read as ASCII, so they are not UTF-16.
    Encoding::for_label(label).filter(|encoding| encoding.is_ascii_compatible())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_is_found() {
        let utf_16 = |bytes: fn(u16) -> [u8; 2], text: &str| text.encode_utf16().flat_map(bytes).collect();
        let latin = |label: &str| {
            [b"<?xml version='1.0' encoding='".as_slice(), label.as_bytes(), b"'?>\xfc\x80"].concat()
        };
        for (bytes, expected) in [
            ("1..1 ü".as_bytes().to_vec(), "1..1 ü"),
            ("\u{feff}<a>ü".as_bytes().to_vec(), "<a>ü"),
            (utf_16(u16::to_le_bytes, "\u{feff}<a>ü"), "<a>ü"),
            (utf_16(u16::to_be_bytes, "\u{feff}<a>ü"), "<a>ü"),
            (utf_16(u16::to_le_bytes, "<a>ü"), "<a>ü"),
            (utf_16(u16::to_be_bytes, "<a>ü"), "<a>ü"),
            (latin("ISO-8859-1"), "<?xml version='1.0' encoding='ISO-8859-1'?>ü€"),
            (latin("windows-1252"), "<?xml version='1.0' encoding='windows-1252'?>ü€"),
            (latin("utf-16"), "<?xml version='1.0' encoding='utf-16'?>\u{fffd}\u{fffd}"),
            (latin("no such"), "<?xml version='1.0' encoding='no such'?>\u{fffd}\u{fffd}"),
            (Vec::new(), ""),
        ] {
            assert_eq!(decode(&bytes), expected);
        }
    }
}
