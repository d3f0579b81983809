//! A header that is expected.

use std::fmt;
use std::str::FromStr;

use hyper::HeaderMap;
use hyper::header::HeaderName;

/// A header and its value, typed as `NAME: VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    name: HeaderName,
    value: String,
}

impl Header {
    /// Whether one of the headers of this name has the value.
    pub fn is_in(&self, headers: &HeaderMap) -> bool {
        headers.get_all(&self.name).iter().any(|value| value.as_bytes() == self.value.as_bytes())
    }

    /// What the headers have instead, for people.
    pub fn found_in(&self, headers: &HeaderMap) -> String {
        let of_name = headers.get_all(&self.name).iter();
        let values: Vec<_> = of_name.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        if values.is_empty() {
            return format!("no header {}", self.name);
        }
        // A value can be long, and a message is one line.
        let shown: String = values.join(", ").chars().take(200).filter(|c| !c.is_control()).collect();
        format!("{}: {shown}", self.name)
    }
}

impl FromStr for Header {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hint = "a header is NAME: VALUE, such as 'X-App-Version: 42'";
        let (name, value) = text.split_once(':').ok_or(hint)?;
        Ok(Self { name: name.trim().parse().map_err(|_| hint)?, value: value.trim().to_owned() })
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_a_name_and_a_value() {
        assert_eq!("X-A:  b: c ".parse::<Header>().unwrap().to_string(), "x-a: b: c");
        assert!("X-A".parse::<Header>().is_err() && ": v".parse::<Header>().is_err());
    }
}
