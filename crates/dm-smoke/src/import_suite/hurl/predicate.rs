//! The predicates of asserts: what has to hold for what a query finds.

use regex::escape;
use serde_json::Value as Json;

use super::token::Token;

/// A predicate: what has to hold for what a query finds.
#[derive(Debug)]
pub(super) struct Predicate<'a> {
    /// Whether it must not hold.
    pub(super) is_negated: bool,
    /// `==` and so on, or a word such as `contains`.
    pub(super) name: &'a str,
    /// What it compares with.
    pub(super) value: Option<&'a Token>,
}

/// Whether a predicate begins with this word.
pub(super) fn is_predicate(token: &Token) -> bool {
    let is_operator = |word: &str| ["==", "!=", "<", "<=", ">", ">=", "not"].contains(&word);
    let is_named = |word: &str| {
        ["equals", "notEquals", "startsWith", "endsWith", "contains", "includes", "matches", "exists"]
            .contains(&word)
            || word.starts_with("is")
            || word.starts_with("greaterThan")
            || word.starts_with("lessThan")
    };
    token.word().is_some_and(|word| is_operator(word) || is_named(word))
}

/// The predicate in these words, to the end.
///
/// # Errors
/// There is none, or it compares with more than one value.
pub(super) fn predicate(tokens: &[Token]) -> Result<Predicate<'_>, String> {
    let words: Vec<&str> = tokens.iter().filter_map(Token::word).collect();
    let is_negated = words.first() == Some(&"not");
    let rest = tokens.get(usize::from(is_negated)..).unwrap_or_default();
    let (name, values) = rest.split_first().ok_or("no predicate")?;
    let name = match name.word().unwrap_or_default() {
        "equals" => "==",
        "notEquals" => "!=",
        "greaterThan" => ">",
        "greaterThanOrEquals" => ">=",
        "lessThan" => "<",
        "lessThanOrEquals" => "<=",
        name => name,
    };
    if values.len() > 1 {
        return Err(format!("a value of {name} of several words"));
    }
    Ok(Predicate { is_negated, name, value: values.first() })
}

impl Predicate<'_> {
    /// What a message says if a suite has no such predicate.
    pub(super) fn unknown(&self, of: &str) -> String {
        format!("{}{} of {of}", if self.is_negated { "not " } else { "" }, self.name)
    }

    /// The value as text.
    pub(super) fn text(&self) -> Result<&str, String> {
        match self.value {
            Some(Token::Text(text)) => Ok(text),
            Some(Token::Regex(regex)) if self.name == "matches" => Ok(regex),
            // 200, but not hex,00; and file,x;
            Some(Token::Word(word)) if !word.contains(',') && !word.starts_with('`') => Ok(word),
            _ => Err(format!("the value of {}", self.name)),
        }
    }

    /// The value as it is written, of a predicate for equality.
    pub(super) fn exactly(&self) -> Result<&str, String> {
        match (self.is_negated, self.name, self.value) {
            (false, "==", Some(Token::Text(text) | Token::Word(text))) => Ok(text),
            _ => Err(self.unknown("this query")),
        }
    }

    /// The value as JSON, or the placeholder of one.
    pub(super) fn json(&self) -> Result<String, String> {
        match self.value {
            Some(Token::Text(text)) => Ok(Json::from(text.as_str()).to_string()),
            Some(Token::Word(word)) if word.starts_with("{{") => Ok(word.clone()),
            Some(Token::Word(word)) if serde_json::from_str::<Json>(word).is_ok() => Ok(word.clone()),
            Some(Token::Word(word)) => Err(format!("the value {word}")),
            _ => Err(format!("the value of {}", self.name)),
        }
    }

    /// An expression that matches the hexadecimal digits of bytes that the predicate holds for.
    pub(super) fn hex(&self) -> Option<String> {
        let Some(Token::Word(word)) = self.value else { return None };
        let digits = word.strip_prefix("hex,")?.strip_suffix(';')?.to_ascii_lowercase();
        let is_hex = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let expression = match self.name {
            "startsWith" => format!("^{digits}"),
            "endsWith" => format!("{digits}$"),
            // Half a byte is none.
            "contains" => format!("^(..)*{digits}"),
            _ => return None,
        };
        is_hex.then_some(expression)
    }

    /// An expression that matches what the predicate holds for, without its negation.
    pub(super) fn expression(&self, of: &str) -> Result<String, String> {
        let text = self.text()?;
        Ok(match self.name {
            "==" => format!("^{}$", escape(text)),
            "contains" => escape(text),
            "startsWith" => format!("^{}", escape(text)),
            "endsWith" => format!("{}$", escape(text)),
            "matches" => text.to_owned(),
            _ => return Err(self.unknown(of)),
        })
    }
}
