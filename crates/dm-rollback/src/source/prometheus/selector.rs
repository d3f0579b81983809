//! A selector of series: a name, and matchers of labels. Pure.

use std::fmt;

use anyhow::{Context as _, Result, bail};
use regex_lite::Regex;

/// A selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selector {
    /// The name of the series.
    pub(super) name: String,
    /// The matchers: all of them have to match.
    pub(super) matchers: Vec<Matcher>,
}

/// A matcher of one label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Matcher {
    /// The label.
    pub(super) label: String,
    operator: &'static str,
    value: String,
}

impl Matcher {
    /// The label has this value.
    pub(super) fn is(label: &str, value: &str) -> Self {
        Self { label: label.to_owned(), operator: "=", value: value.to_owned() }
    }

    /// The label's value matches this pattern.
    pub(super) fn like(label: &str, pattern: &str) -> Self {
        Self { label: label.to_owned(), operator: "=~", value: pattern.to_owned() }
    }

    /// The label exists.
    pub(super) fn exists(label: &str) -> Self {
        Self { label: label.to_owned(), operator: "!=", value: String::new() }
    }

    /// Whether a value matches. A pattern that cannot be compiled here may match anything.
    pub(super) fn matches(&self, value: &str) -> bool {
        let is_like =
            || Regex::new(&format!("^(?s:{})$", self.value)).ok().map(|regex| regex.is_match(value));
        match self.operator {
            "=" => value == self.value,
            "!=" => value != self.value,
            "=~" => is_like() != Some(false),
            _ => is_like() != Some(true),
        }
    }
}

impl Selector {
    /// A selector of these series.
    pub(super) fn new(name: &str, matchers: Vec<Matcher>) -> Self {
        Self { name: name.to_owned(), matchers }
    }

    /// The same, with one more matcher.
    #[must_use]
    pub(super) fn with(&self, matcher: Matcher) -> Self {
        let matchers = self.matchers.iter().cloned().chain([matcher]).collect();
        Self { name: self.name.clone(), matchers }
    }

    /// Parses a selector. `None` if it is none, or has a form that only Prometheus understands.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (name, rest) = text.split_once('{').unwrap_or((text, "}"));
        let mut rest = rest.trim_start();
        let mut matchers = Vec::new();
        loop {
            if let Some(end) = rest.strip_prefix('}') {
                return end.is_empty().then(|| Self { name: name.trim().to_owned(), matchers });
            }
            let (matcher, after) = matcher(rest)?;
            matchers.push(matcher);
            rest = after.strip_prefix(',').unwrap_or(after).trim_start();
        }
    }

    /// Whether there is a matcher of one of these labels.
    pub(super) fn mentions(&self, labels: &[&str]) -> bool {
        self.matchers.iter().any(|matcher| labels.contains(&matcher.label.as_str()))
    }
}

/// The first matcher of a list, and the text after it.
fn matcher(text: &str) -> Option<(Matcher, &str)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let (label, rest) = if text.starts_with(['"', '\'', '`']) {
        quoted(text)?
    } else {
        let (label, rest) = text.split_at(text.find(|c| !is_name(c))?);
        (label.to_owned(), rest)
    };
    let rest = rest.trim_start();
    let operator = ["=~", "!~", "!=", "="].into_iter().find(|operator| rest.starts_with(operator))?;
    let (value, rest) = quoted(rest[operator.len()..].trim_start())?;
    let is_usable = !label.is_empty();
    is_usable.then(|| (Matcher { label, operator, value }, rest.trim_start()))
}

/// The first string of a text, and the text after it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| ['"', '\'', '`'].contains(c))?;
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return Some((value, &text[at + 1..])),
            '\\' if quote != '`' => value.push(match chars.next()?.1 {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                c @ ('\\' | '"' | '\'') => c,
                _ => return None,
            }),
            c => value.push(c),
        }
    }
    None
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        write!(f, "{}{}\"{value}\"", self.label, self.operator)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.matchers.is_empty() {
            return Ok(());
        }
        let matchers: Vec<String> = self.matchers.iter().map(Matcher::to_string).collect();
        write!(f, "{{{}}}", matchers.join(","))
    }
}

/// Checks that a selector consists of a name and matchers, which is what a range query needs.
pub(crate) fn check_selector(flag: &str, text: &str) -> Result<()> {
    let plain = Regex::new(r"(?s)^\s*[a-zA-Z_:][a-zA-Z0-9_:]*\s*(\{.*\})?\s*$").context("the pattern")?;
    if !plain.is_match(text) {
        bail!(
            "{flag} {text:?}: give a counter's selector, such as requests_total{{job=\"api\"}}, without functions or \
             sums: dm-rollback computes increases and sums itself, so that it can detect the reset of a series"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_parsed_and_printed() {
        for (text, printed) in [
            (" up ", "up"),
            ("up{}", "up"),
            (r#"up{job="a"}"#, r#"up{job="a"}"#),
            (r"up { job != 'a', status=~`5..` , }", r#"up{job!="a",status=~"5.."}"#),
            (r#"up{path="/a,b}\"\\",x!~"\\d"}"#, r#"up{path="/a,b}\"\\",x!~"\\d"}"#),
        ] {
            let parsed = Selector::parse(text).map(|selector| selector.to_string());
            assert_eq!(parsed.as_deref(), Some(printed), "{text}");
        }
        for text in ["up{a=b}", "up{a=\"b}", "up{a}", "up{\"a\"}", "up{a=\"b\"} x", "up{=\"\"}"] {
            assert_eq!(Selector::parse(text), None, "{text}");
        }
    }

    #[test]
    fn matchers_match_whole_values() {
        let matches = |text: &str, value: &str| Selector::parse(text).unwrap().matchers[0].matches(value);
        assert!(matches(r#"up{a="5xx"}"#, "5xx") && !matches(r#"up{a="5xx"}"#, "500"));
        assert!(matches(r#"up{a=~"5..|x"}"#, "503") && !matches(r#"up{a=~"5..|x"}"#, "1503"));
        assert!(matches(r#"up{a!~"2..|3.."}"#, "404") && !matches(r#"up{a!~"2..|3.."}"#, "304"));
        assert!(matches(r#"up{a!="200"}"#, "404"));
    }
}
