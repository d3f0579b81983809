//! Filters: what makes another value of a value, one after the other.

mod bound;
mod codec;
mod date;
mod list;
mod number;
mod text;

use encoding_rs::Encoding;
use regex::Regex;

use crate::datum::Datum;
use crate::json::JsonPath;

pub use date::DateFormat;

/// One filter.
#[derive(Debug, Clone)]
pub enum Filter {
    /// Base64 to bytes, in either alphabet, with or without padding.
    Base64Decode,
    /// Bytes to Base64.
    Base64Encode,
    /// Bytes to Base64 in the alphabet for URLs, without padding.
    Base64UrlEncode,
    /// A list to the number of its items.
    Count,
    /// Bytes to text.
    Decode(&'static Encoding),
    /// Text to bytes.
    Encode(&'static Encoding),
    /// A list to its first item.
    First,
    /// A date (RFC 3339, or as in HTTP and mail) to text.
    FormatDate(DateFormat),
    /// Text to text in which no character is one of HTML.
    HtmlEscape,
    /// HTML without tags to text.
    HtmlUnescape,
    /// JSON, also in a text, to what a path finds in it.
    Json(JsonPath),
    /// A list to its last item.
    Last,
    /// A list to the item with this index, from 0, or from -1 for the last.
    Nth(i64),
    /// Text to a date (RFC 3339). One without a time zone is in UTC.
    ParseDate(DateFormat),
    /// A URL to the value of this parameter.
    QueryParameter(String),
    /// Text to what matches in it: the first group, if there is one.
    Regex(Regex),
    /// Text to text with this text replaced everywhere.
    Replace(String, String),
    /// Text to text with what matches replaced; `$1` is a group.
    ReplaceRegex(Regex, String),
    /// Text to a list of the parts between this text.
    Split(String),
    /// A number or its text to a floating-point number.
    ToFloat,
    /// Bytes to hexadecimal digits.
    ToHex,
    /// A number or its text to an integer.
    ToInt,
    /// Percent-encoded text to text.
    UrlDecode,
    /// Text to percent-encoded text: all but letters, digits and `-._~/` (RFC 3986).
    UrlEncode,
}

impl Filter {
    /// The filters that take no argument, by name.
    pub const PLAIN: [(&'static str, Self); 13] = [
        ("base64_decode", Self::Base64Decode),
        ("base64_encode", Self::Base64Encode),
        ("base64url_encode", Self::Base64UrlEncode),
        ("count", Self::Count),
        ("first", Self::First),
        ("html_escape", Self::HtmlEscape),
        ("html_unescape", Self::HtmlUnescape),
        ("last", Self::Last),
        ("to_float", Self::ToFloat),
        ("to_hex", Self::ToHex),
        ("to_int", Self::ToInt),
        ("url_decode", Self::UrlDecode),
        ("url_encode", Self::UrlEncode),
    ];

    /// The filters that take an argument.
    pub const WITH_ARGUMENT: [&'static str; 11] = [
        "decode",
        "encode",
        "format_date",
        "json",
        "nth",
        "parse_date",
        "query_parameter",
        "regex",
        "replace",
        "replace_regex",
        "split",
    ];

    /// The name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Base64Decode => "base64_decode",
            Self::Base64Encode => "base64_encode",
            Self::Base64UrlEncode => "base64url_encode",
            Self::Count => "count",
            Self::Decode(_) => "decode",
            Self::Encode(_) => "encode",
            Self::First => "first",
            Self::FormatDate(_) => "format_date",
            Self::HtmlEscape => "html_escape",
            Self::HtmlUnescape => "html_unescape",
            Self::Json(_) => "json",
            Self::Last => "last",
            Self::Nth(_) => "nth",
            Self::ParseDate(_) => "parse_date",
            Self::QueryParameter(_) => "query_parameter",
            Self::Regex(_) => "regex",
            Self::Replace(..) => "replace",
            Self::ReplaceRegex(..) => "replace_regex",
            Self::Split(_) => "split",
            Self::ToFloat => "to_float",
            Self::ToHex => "to_hex",
            Self::ToInt => "to_int",
            Self::UrlDecode => "url_decode",
            Self::UrlEncode => "url_encode",
        }
    }

    /// The value that this filter makes of another.
    ///
    /// # Errors
    /// The value is not one that it takes. The message quotes nothing of it.
    pub(crate) fn apply(&self, value: &Datum) -> Result<Datum, String> {
        let made = match self {
            Self::Base64Decode => codec::base64_decode(value),
            Self::Base64Encode => codec::base64_encode(value),
            Self::Base64UrlEncode => codec::base64url_encode(value),
            Self::Count => list::count(value),
            Self::Decode(encoding) => codec::decode(value, encoding),
            Self::Encode(encoding) => codec::encode(value, encoding),
            Self::First => list::nth(value, 0),
            Self::FormatDate(format) => date::format(value, format),
            Self::HtmlEscape => text::html_escape(value),
            Self::HtmlUnescape => text::html_unescape(value),
            Self::Json(path) => list::json(value, path),
            Self::Last => list::nth(value, -1),
            Self::Nth(index) => list::nth(value, *index),
            Self::ParseDate(format) => date::parse(value, format),
            Self::QueryParameter(name) => text::query_parameter(value, name),
            Self::Regex(regex) => text::regex(value, regex),
            Self::Replace(from, to) => text::replace(value, from, to),
            Self::ReplaceRegex(regex, to) => text::replace_regex(value, regex, to),
            Self::Split(separator) => list::split(value, separator),
            Self::ToFloat => number::float(value),
            Self::ToHex => codec::hex(value),
            Self::ToInt => number::integer(value),
            Self::UrlDecode => text::url_decode(value),
            Self::UrlEncode => text::url_encode(value),
        };
        made.map_err(|why| format!("{}: {why}", self.name()))
    }
}

#[cfg(test)]
mod tests;
