//! Secrets in pairs: `name=value` in URLs, connection strings and commands, and `"name": "value"` in JSON.
//!
//! A regular expression would try to begin a name at every letter. This looks at what is before each sign instead.

use super::names;
use crate::label::MASK;

/// The most bytes of a name that are looked at.
const MAX_NAME_BYTES: usize = 61;

/// The text with the value of every name that tells of a secret replaced.
pub(super) fn mask(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let (mut copied, mut at) = (0, 0);
    while let Some(found) = text.get(at..).and_then(|rest| rest.find(['=', ':'])) {
        let sign = at + found;
        at = sign + 1;
        if !tells_of_secret(name_before(text, sign)) {
            continue;
        }
        let after = text.get(at..).unwrap_or_default();
        let value = after.strip_prefix(is_space).unwrap_or(after);
        let length = value_length(value);
        if length > 0 {
            let start = text.len() - value.len();
            masked.push_str(text.get(copied..start).unwrap_or_default());
            masked.push_str(MASK);
            copied = start + length;
            at = copied;
        }
    }
    masked.push_str(text.get(copied..).unwrap_or_default());
    masked
}

/// The word before a sign. A colon needs a quote in between: otherwise it is one of a sentence.
fn name_before(text: &str, sign: usize) -> &str {
    let before = text.get(..sign).unwrap_or_default();
    let before = before.strip_suffix(is_space).unwrap_or(before);
    let name = match before.strip_suffix('"') {
        Some(name) => name,
        None if text.get(sign..).is_some_and(|rest| rest.starts_with('=')) => before,
        None => return "",
    };
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let length = name.bytes().rev().take(MAX_NAME_BYTES).take_while(is_part).count();
    name.get(name.len() - length..).unwrap_or_default()
}

/// "the password = x": the last word names it. "1pw" is the first letter of a list, and a name.
fn tells_of_secret(word: &str) -> bool {
    word.len() > 1
        && (names::is_secret(word)
            || names::is_secret(word.trim_start_matches(|c: char| !c.is_ascii_alphabetic())))
}

/// The length of a value: a word of a shell, or a text of JSON, up to what separates it from the next pair; 0 if there is none.
fn value_length(value: &str) -> usize {
    let quote_of = |text: &str| text.chars().next().filter(|c| matches!(c, '"' | '\''));
    let Some(first) = quote_of(value) else { return value.len() - after_plain(value).len() };
    let mut rest = value;
    loop {
        rest = match quote_of(rest) {
            // The end of a text that was cut off has no second quote.
            Some(quote) => after_quoted(rest, quote).unwrap_or_else(|| after_plain(&rest[1..])),
            None => after_plain(rest),
        };
        if !continues(rest, first) {
            return value.len() - rest.len();
        }
    }
}

/// Whether a word goes on after a text in these quotes, as 'it'\''s', 'it'"'"'s' and 'it''s' do. Any other quote ends what the
/// whole pair is in, and a bracket does too.
fn continues(rest: &str, quote: char) -> bool {
    let is_end = |c: char| is_separator(c) || matches!(c, '"' | '\'' | '}' | ']' | ')' | '>' | ':' | '|');
    rest.starts_with(quote) || rest.starts_with("\"'\"") || !(rest.is_empty() || rest.starts_with(is_end))
}

/// What follows a text in quotes; `None` if it has no end. Only in double quotes does a backslash mean something.
fn after_quoted(text: &str, quote: char) -> Option<&str> {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if c == quote && !is_escaped {
            return text.get(at + c.len_utf8()..);
        }
        is_escaped = c == '\\' && quote == '"' && !is_escaped;
    }
    None
}

/// What follows a text without quotes.
fn after_plain(text: &str) -> &str {
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        if !is_escaped && (is_separator(c) || matches!(c, '"' | '\'')) {
            return text.get(at..).unwrap_or_default();
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    ""
}

fn is_separator(c: char) -> bool {
    is_space(c) || matches!(c, '&' | ';' | ',' | '#')
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}')
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    #[test]
    fn the_value_of_a_secret_is_masked_wherever_its_pair_is() {
        for (text, expected) in [
            ("a=1&access_token=abc&b=2", "a=1&access_token=***&b=2"),
            ("{\"password\" : \"a b\", \"n\":1}", "{\"password\" : ***, \"n\":1}"),
            ("url=https://h/?token=abc", "url=https://h/?token=***"),
            ("\"dsn_of\": \"Server=h;Password=p;x=y\"", "\"dsn_of\": ***"),
            ("\"db\": \"Server=h;Password=p;x=y\"", "\"db\": \"Server=h;Password=***;x=y\""),
            ("the password = 'x y' é", "the password = *** é"),
            ("1pw=x token==x secret=\"open", "1pw=*** token=*** secret=***"),
            ("key= &x token=", "key= &x token="),
            ("unexpected token: x; pwd:x", "unexpected token: x; pwd:x"),
            ("é=é:=\":", "é=é:=\":"),
            (r#"{"password":"a\"b","n":1}"#, r#"{"password":***,"n":1}"#),
            (r#"{"n":1,"password":"a\\"}"#, r#"{"n":1,"password":***}"#),
            (r"pw='it'\''s a' x", "pw=*** x"),
            (r#"pw='it'"'"'s a' x"#, "pw=*** x"),
            ("set password='it''s a' x", "set password=*** x"),
            (r"pw=a\ b\'c x", "pw=*** x"),
            (r#"curl -d 'token="a b"' -H 'x: y'"#, r"curl -d 'token=***' -H 'x: y'"),
        ] {
            assert_eq!(mask(text), expected);
        }
    }

    proptest! {
        #[test]
        fn no_input_panics(text in "\\PC{0,40}|[a-z=:\"' &é-]{0,40}|(token|x|=|:|\"|'| |é){0,20}") {
            let _ = mask(&text);
        }

        #[test]
        fn a_secret_in_quotes_is_masked_to_its_end(
            parts in prop::collection::vec("[A-Z]{5}", 1..4),
            between in "[ '\"\\\\,;&#=:]{1,3}",
        ) {
            let secret = parts.join(&between);
            let in_shell = format!("password='{}' next", secret.replace('\'', r"'\''"));
            let in_python = format!("password='{}' next", secret.replace('\'', "'\"'\"'"));
            let in_json = serde_json::json!({ "password": secret, "n": 1 }).to_string();
            for text in [in_shell, in_python, in_json] {
                let masked = mask(&text);
                prop_assert!(!parts.iter().any(|part| masked.contains(part)), "{text} -> {masked}");
            }
        }

        #[test]
        fn a_secret_is_masked_after_any_text(before in "[a-z=:\"' &é,;-]{0,30}") {
            let masked = mask(&format!("{before} token=hush-hush"));
            prop_assert!(!masked.contains("hush-hush"), "{masked}");
        }
    }
}
