//! A target as it is typed: its URL, and a name before that where it has one.

use std::str::FromStr;

use common::http::parse_url;
use common::label::Label;
use url::Url;

/// `URL` or `NAME=URL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The name that was given.
    pub name: Option<Label>,
    /// What to probe.
    pub url: Url,
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            // A URL can have an = in it, but not before its scheme has ended.
            Some((name, url)) if !name.contains([':', '/']) => {
                let name = name.parse().map_err(|error| format!("the name before the = {error}"))?;
                Ok(Self { name: Some(name), url: parse_url(url)? })
            }
            _ => Ok(Self { name: None, url: parse_url(text)? }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Option<String>, String) {
        let named: Named = text.parse().unwrap();
        (named.name.map(String::from), named.url.to_string())
    }

    #[test]
    fn a_name_stands_before_the_url() {
        assert_eq!(parsed("api=http://h/a?b=c"), (Some("api".to_owned()), "http://h/a?b=c".to_owned()));
        assert_eq!(parsed("http://h/a?b=c"), (None, "http://h/a?b=c".to_owned()));
        assert!("=http://h".parse::<Named>().unwrap_err().contains("must not be empty"));
        assert!("api=h".parse::<Named>().unwrap_err().contains("not a URL"));
    }
}
