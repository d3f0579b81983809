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

    /// The same, without the matchers of these labels.
    #[must_use]
    pub(super) fn without(&self, labels: &[&str]) -> Self {
        let is_other = |matcher: &&Matcher| !labels.contains(&matcher.label.as_str());
        Self { name: self.name.clone(), matchers: self.matchers.iter().filter(is_other).cloned().collect() }
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

/// What the last part of a recording rule's name begins with if its values are no counts.
const NO_COUNTS: [&str; 10] =
    ["rate", "irate", "increase", "delta", "idelta", "deriv", "ratio", "avg", "mean", "percent"];

/// Checks that a selector consists of a name and matchers, which is what a range query needs, and that it can be a counter.
pub(crate) fn check_selector(flag: &str, text: &str) -> Result<()> {
    let plain = Regex::new(r"^[a-zA-Z_:][a-zA-Z0-9_:]*$").context("the pattern")?;
    let Some(selector) = Selector::parse(text).filter(|selector| plain.is_match(&selector.name)) else {
        bail!(
            "{flag} {text:?}: give a counter's selector, such as requests_total{{job=\"api\"}}, without functions, sums, \
             operators or comments: dm-rollback computes increases and sums itself, so that it can detect the reset of a \
             series"
        );
    };
    let recorded = selector.name.rsplit_once(':').map(|(_, operation)| operation);
    if recorded.is_some_and(|name| NO_COUNTS.iter().any(|no_count| name.starts_with(no_count))) {
        bail!(
            "{flag} {text:?}: this is a recording rule of a rate, not a counter: give the counter that the rule is about"
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
    fn a_selector_is_a_counter_s_and_nothing_else() {
        for good in ["up", r#" a:requests:total { job = "a" } "#, r#"up{a="} # or {"}"#, "job:requests:sum"] {
            assert!(check_selector("--x", good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("rate(up[5m])", "without functions"),
            (r#"up{a="b"} # }"#, "comments"),
            (r#"up{a="b"} or down{a="b"}"#, "operators"),
            (r#"{job="a"}"#, "without functions"),
            ("up{a=b}", "without functions"),
            ("job:requests:rate5m", "a recording rule of a rate"),
        ] {
            let error = check_selector("--x", bad).unwrap_err().to_string();
            assert!(error.contains(why), "{bad}: {error}");
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
