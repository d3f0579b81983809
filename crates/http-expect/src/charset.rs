//! The text of a body, whatever its charset.

use encoding_rs::{Encoding, UTF_8};
use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// The body in UTF-8 without a byte order mark; `None` if it is that already. A mark decides, then the charset of the
/// header; without both a body is taken as it is.
pub(crate) fn to_utf8(headers: &HeaderMap, body: &[u8]) -> Option<Vec<u8>> {
    if let Some((encoding, length)) = Encoding::for_bom(body) {
        let text = body.get(length..)?;
        if encoding == UTF_8 {
            return Some(text.to_vec());
        }
        return Some(encoding.decode_without_bom_handling(text).0.into_owned().into_bytes());
    }
    let content_type = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let encoding = charset(content_type).and_then(|label| Encoding::for_label(label.as_bytes()))?;
    (encoding != UTF_8).then(|| encoding.decode_without_bom_handling(body).0.into_owned().into_bytes())
}

fn charset(content_type: &str) -> Option<&str> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(content_type: &str, body: &[u8]) -> Vec<u8> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type.parse().unwrap())]);
        to_utf8(&headers, body).unwrap_or_else(|| body.to_vec())
    }

    #[test]
    fn a_body_is_read_in_its_charset() {
        assert_eq!(text("text/html; charset=ISO-8859-1", b"caf\xe9"), "café".as_bytes());
        assert_eq!(text("text/html;x=y;Charset=\"gb2312\"", b"\xc4\xe3\xba\xc3"), "你好".as_bytes());
        assert_eq!(text("text/html; charset=utf-8", b"\xef\xbb\xbfa\xff"), b"a\xff");
        assert_eq!(text("text/html", b"\xff\xfea\x00"), b"a");
        for unknown in ["text/html", "text/html; charset=klingon", "charset=latin1"] {
            assert_eq!(text(unknown, b"\xe9"), b"\xe9");
        }
    }
}
