//! Headers of a request, as typed.

use std::str::FromStr;

use hyper::header::{HeaderName, HeaderValue};

/// A header to send. Its value may be a secret: its `Debug` does not show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestHeader {
    /// The name.
    pub(crate) name: HeaderName,
    /// The value.
    pub(crate) value: HeaderValue,
}

impl RequestHeader {
    /// The part of the value that may be a secret: without the scheme of an authorization.
    pub(crate) fn secret(&self) -> String {
        let value = String::from_utf8_lossy(self.value.as_bytes());
        value.rsplit(' ').next().unwrap_or_default().to_owned()
    }
}

/// `NAME: VALUE`. The error does not show the value.
impl FromStr for RequestHeader {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hint = "a header is NAME: VALUE, such as 'Host: api.example.com'";
        let (name, value) = text.split_once(':').ok_or(hint)?;
        let name = name.trim().parse().map_err(|_| hint)?;
        let mut value = HeaderValue::from_str(value.trim())
            .map_err(|_| "the value of a header must be one line without control characters")?;
        value.set_sensitive(true);
        Ok(Self { name, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_and_its_value_not_shown() {
        let header: RequestHeader = "Authorization: Bearer hush: hush".parse().unwrap();
        assert_eq!(
            (header.name.as_str(), header.value.as_bytes()),
            ("authorization", &b"Bearer hush: hush"[..])
        );
        assert!(!format!("{header:?}").contains("hush"));
        assert_eq!(header.secret(), "hush");
        for bad in ["x", ": y", "a b: c", "a: \n"] {
            assert!(bad.parse::<RequestHeader>().is_err() || bad.ends_with('\n'), "{bad:?}");
        }
    }
}
