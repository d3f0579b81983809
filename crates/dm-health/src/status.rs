//! Which HTTP status is a healthy answer.

use std::fmt;
use std::str::FromStr;

/// A status that is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// One code, such as `204`.
    Code(u16),
    /// The class with this first digit: `2` for `2xx`.
    Class(u16),
}

impl Expected {
    /// Whether `status` is one.
    pub fn takes(self, status: u16) -> bool {
        match self {
            Self::Code(code) => status == code,
            Self::Class(class) => status / 100 == class,
        }
    }
}

impl FromStr for Expected {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let class = text.strip_suffix("xx").or_else(|| text.strip_suffix("XX"));
        let number = |digits: &str| digits.parse::<u16>().ok();
        match (class, number(class.unwrap_or(text))) {
            (Some(_), Some(class @ 1..=5)) => Ok(Self::Class(class)),
            (None, Some(code @ 100..=599)) => Ok(Self::Code(code)),
            _ => Err("a status is a code such as 204, or a class such as 2xx"),
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "{code}"),
            Self::Class(class) => write!(f, "{class}xx"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_itself_and_a_class_is_a_hundred() {
        let takes = |text: &str, status| text.parse::<Expected>().unwrap().takes(status);
        assert!(takes("204", 204) && !takes("204", 200));
        assert!(takes("2xx", 200) && takes("2XX", 299) && !takes("2xx", 301));
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in ["", "xx", "6xx", "0xx", "20xx", "99", "600", "2x", "ok", "-200"] {
            assert!(bad.parse::<Expected>().is_err(), "{bad:?}");
        }
    }
}
