//! Filters between bytes and text.

use base64::Engine as _;
use base64::alphabet::URL_SAFE as URL_ALPHABET;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use encoding_rs::Encoding;

use super::bound::bounded;
use crate::content::hex as digits;
use crate::datum::Datum;

/// Reads Base64 as services write it: many leave the padding out.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(super) fn base64_decode(value: &Datum) -> Result<Datum, String> {
    let text = value.text()?.trim().replace('+', "-").replace('/', "_");
    LENIENT.decode(text).map(Datum::Bytes).map_err(|_| "the text is not Base64".to_owned())
}

pub(super) fn base64_encode(value: &Datum) -> Result<Datum, String> {
    bounded(STANDARD.encode(value.bytes()?))
}

pub(super) fn base64url_encode(value: &Datum) -> Result<Datum, String> {
    bounded(URL_SAFE_NO_PAD.encode(value.bytes()?))
}

pub(super) fn hex(value: &Datum) -> Result<Datum, String> {
    bounded(digits(&value.bytes()?))
}

pub(super) fn decode(value: &Datum, encoding: &'static Encoding) -> Result<Datum, String> {
    let bytes = value.bytes()?;
    let text = encoding.decode_without_bom_handling_and_without_replacement(&bytes);
    let error = || format!("the bytes are not {}", encoding.name());
    bounded(text.ok_or_else(error)?.into_owned())
}

pub(super) fn encode(value: &Datum, encoding: &'static Encoding) -> Result<Datum, String> {
    let text = value.text()?;
    let (bytes, _, has_unknown) = encoding.encode(&text);
    if has_unknown {
        return Err(format!("{} cannot write the text", encoding.name()));
    }
    Ok(Datum::Bytes(bytes.into_owned()))
}
