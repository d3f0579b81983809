//! The words of an assert or a capture.

/// A word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A word, a number or an operator.
    Word(String),
    /// A string in double quotes, without them.
    Text(String),
    /// A regular expression between slashes, without them.
    Regex(String),
}

impl Token {
    /// The word, if it is one.
    pub(super) fn word(&self) -> Option<&str> {
        if let Self::Word(word) = self { Some(word) } else { None }
    }
}

/// The words of a line, without a comment at its end.
///
/// # Errors
/// A string or an expression is not closed.
pub(super) fn tokens(line: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        let token = match first {
            '#' => break,
            '"' => quoted(rest, '"').map(|(text, after)| (Token::Text(unescaped(text)), after)),
            '/' => quoted(rest, '/').map(|(text, after)| (Token::Regex(text.replace("\\/", "/")), after)),
            _ => {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                Some((Token::Word(word.to_owned()), after))
            }
        };
        let Some((token, after)) = token else { return Err("a text that is not closed".to_owned()) };
        tokens.push(token);
        rest = after.trim_start();
    }
    Ok(tokens)
}

/// What is between two quotes, and what follows them.
fn quoted(text: &str, quote: char) -> Option<(&str, &str)> {
    let inside = text.get(1..)?;
    let mut is_escaped = false;
    for (at, c) in inside.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            c if c == quote => return Some((inside.get(..at)?, inside.get(at + 1..)?)),
            _ => {}
        }
    }
    None
}

/// The text that a string in double quotes stands for.
pub(super) fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('n')) => plain.push('\n'),
            ('\\', Some('t')) => plain.push('\t'),
            ('\\', Some('r')) => plain.push('\r'),
            ('\\', Some('u')) => {
                // \u{1f600}
                let code: String = chars.by_ref().skip(1).take_while(|c| *c != '}').collect();
                plain.extend(u32::from_str_radix(&code, 16).ok().and_then(char::from_u32));
            }
            ('\\', Some(other)) => plain.push(other),
            (c, _) => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_texts_and_expressions_are_told_apart() {
        assert_eq!(
            tokens(r#"jsonpath "$.a \"b\"" matches /^a\/b/ # c"#).unwrap(),
            [
                Token::Word("jsonpath".to_owned()),
                Token::Text("$.a \"b\"".to_owned()),
                Token::Word("matches".to_owned()),
                Token::Regex("^a/b".to_owned())
            ]
        );
        assert!(tokens("body == \"a").is_err());
        assert_eq!(unescaped(r"a\n\u{41}\\"), "a\nA\\");
    }
}
