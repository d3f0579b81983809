//! Content codings (RFC 9110, section 8.4.1): gzip, deflate, br and zstd.
//!
//! At most [`MAX_BODY_BYTES`] are decoded, so that a small response cannot fill the memory.

use std::io::{self, Read};

use brotli_decompressor::Decompressor;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use ruzstd::decoding::StreamingDecoder;

use crate::excerpt::bounded;

/// The most bytes of a body that a client should read: one MiB, as the messages say.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// The value of `Accept-Encoding` that asks for every coding that can be decoded.
pub const ACCEPT: &str = "gzip, deflate, br, zstd";

/// The most codings of one body. A server uses one.
const MAX_CODINGS: usize = 3;

/// The buffer of a decoder, in bytes.
const BUFFER_BYTES: usize = 4096;

/// A body as a reader of its content sees it.
#[derive(Debug)]
pub(crate) struct Content {
    /// The body, or its first [`MAX_BODY_BYTES`].
    pub(crate) body: Vec<u8>,
    /// Whether it is longer than that.
    pub(crate) truncated: bool,
    /// Why it is still encoded, in words for a message; `None` if it is not.
    pub(crate) undecoded: Option<String>,
}

/// Undoes the codings that the headers name. `truncated` says that `body` is only the beginning.
pub(crate) fn decode(headers: &HeaderMap, body: Vec<u8>, truncated: bool) -> Content {
    let values = headers.get_all(CONTENT_ENCODING).iter().map(|value| value.to_str().unwrap_or("unknown"));
    let names: Vec<&str> = values
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("identity"))
        .collect();
    // The response to a HEAD request, and one that was not modified, name the coding of a body that they do not have.
    if names.is_empty() || body.is_empty() {
        return Content { body, truncated, undecoded: None };
    }
    let note = |why: &str| format!("content-encoding: {}, {why}", bounded(&names.join(", ")));
    if names.len() > MAX_CODINGS {
        return Content { body, truncated, undecoded: Some(note("not decoded")) };
    }
    let mut content: (Option<Vec<u8>>, bool) = (None, truncated);
    for name in names.iter().rev() {
        let encoded = content.0.as_ref().unwrap_or(&body);
        let undecoded = match decode_one(name, encoded, content.1) {
            Some(Ok((decoded, truncated))) => {
                content = (Some(decoded), truncated);
                continue;
            }
            Some(Err(_)) => note("which is not valid"),
            None => note("not decoded"),
        };
        return Content { body, truncated, undecoded: Some(undecoded) };
    }
    Content { body: content.0.unwrap_or_default(), truncated: content.1, undecoded: None }
}

/// `None` if the coding is unknown.
fn decode_one(name: &str, encoded: &[u8], truncated: bool) -> Option<io::Result<(Vec<u8>, bool)>> {
    let read = |decoder: &mut dyn Read| read_some(decoder, truncated);
    Some(match name.to_ascii_lowercase().as_str() {
        "gzip" | "x-gzip" => read(&mut MultiGzDecoder::new(encoded)),
        // Some servers leave out the wrapper of zlib.
        "deflate" => {
            read(&mut ZlibDecoder::new(encoded)).or_else(|_| read(&mut DeflateDecoder::new(encoded)))
        }
        "br" => read(&mut Decompressor::new(encoded, BUFFER_BYTES)),
        "zstd" => StreamingDecoder::new(encoded)
            .map_err(io::Error::other)
            .and_then(|mut decoder| read(&mut decoder)),
        _ => return None,
    })
}

/// The beginning of what a decoder returns, and whether there is more. A body that was cut decodes to the content before the
/// cut.
fn read_some(decoder: &mut dyn Read, truncated: bool) -> io::Result<(Vec<u8>, bool)> {
    let mut body = Vec::new();
    let limit = u64::try_from(MAX_BODY_BYTES).unwrap_or(u64::MAX) + 1;
    match decoder.take(limit).read_to_end(&mut body) {
        Err(error) if !truncated => return Err(error),
        Err(_) | Ok(_) => {}
    }
    let is_longer = body.len() > MAX_BODY_BYTES;
    body.truncate(MAX_BODY_BYTES);
    Ok((body, is_longer || truncated))
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use proptest::prelude::*;

    fn decoded(coding: &str, body: &[u8], truncated: bool) -> Content {
        let headers = HeaderMap::from_iter([(CONTENT_ENCODING, coding.parse().unwrap())]);
        decode(&headers, body.to_vec(), truncated)
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn every_coding_is_undone() {
        // printf 'hello hello hello' | zstd; zlib.brotliCompressSync of Node.js.
        let zstd = b"\x28\xb5\x2f\xfd\x04\x58\x65\x00\x00\x30\x68\x65\x6c\x6c\x6f\x20\x01\x00\x31\x4a\x11\xa2\xed\x1e\x0c";
        let br = b"\x1b\x10\x00\xf8\x8d\x94\x6e\xde\x44\x55\x86\x96\x6c\x20\x6f\x01\x4f\x1c\x60\x1c";
        let zlib = |text: &[u8]| {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        };
        let raw = |text: &[u8]| {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        };
        let text = b"hello hello hello";
        let bodies = [
            ("gzip", gzip(text)),
            ("deflate", zlib(text)),
            ("Deflate", raw(text)),
            ("zstd", zstd.to_vec()),
            ("br", br.to_vec()),
            ("deflate, gzip", gzip(&zlib(text))),
        ];
        for (coding, body) in bodies {
            let content = decoded(coding, &body, false);
            assert_eq!((content.body.as_slice(), content.undecoded), (text.as_slice(), None), "{coding}");
        }
    }

    #[test]
    fn a_body_that_cannot_be_decoded_stays_and_says_so() {
        let undecoded = |coding, body: &[u8]| decoded(coding, body, false).undecoded.unwrap_or_default();
        assert_eq!(undecoded("compress", b"x"), "content-encoding: compress, not decoded");
        for coding in ["gzip", "br", "zstd", "deflate"] {
            assert_eq!(
                undecoded(coding, b"\xffplain"),
                format!("content-encoding: {coding}, which is not valid")
            );
        }
        let text = (0..20_000).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        let whole = gzip(text.as_bytes());
        let cut = &whole[..whole.len() / 2];
        assert_eq!(undecoded("gzip", cut), "content-encoding: gzip, which is not valid");
        assert_eq!(undecoded("identity", b"x") + &undecoded("gzip", b""), "");
        assert!(decoded("gzip", cut, true).body.starts_with(b"0 1 2"));
    }

    #[test]
    fn a_bomb_is_cut() {
        let bomb = gzip(&vec![0; 64 * MAX_BODY_BYTES]);
        assert!(bomb.len() < MAX_BODY_BYTES);
        let content = decoded("gzip", &bomb, false);
        assert_eq!((content.body.len(), content.truncated), (MAX_BODY_BYTES, true));
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_kept(
            coding in "gzip|deflate|br|zstd|gzip, br",
            body in proptest::collection::vec(any::<u8>(), 0..200),
            truncated: bool,
        ) {
            let content = decoded(&coding, &body, truncated);
            prop_assert!(content.undecoded.is_none() || content.body == body);
        }
    }
}
