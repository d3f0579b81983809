//! The tokens of a script as the server reads them. The lexer of squawk reads three of them differently, and would then see
//! other statements than those that run: a quote after a backslash in `E'…'`, a comment that ends with a carriage return, and
//! the end of a dollar-quoted string.

use std::borrow::Cow;

use squawk_lexer::{LiteralKind, TokenKind};

/// The first token of the text; `None` at its end.
pub(super) fn first(text: &str) -> Option<(TokenKind, &str)> {
    let token = squawk_lexer::tokenize(text).next()?;
    let read = text.get(..token.len as usize)?;
    let end = match token.kind {
        TokenKind::Literal { kind: LiteralKind::EscStr { .. } } => end_of_escaped(text),
        TokenKind::Literal { kind: LiteralKind::DollarQuotedString { .. } } => end_of_dollar_quoted(text),
        TokenKind::LineComment => read.find('\r').unwrap_or(read.len()),
        _ => read.len(),
    };
    Some((token.kind, text.get(..end).unwrap_or(text)))
}

/// The end of `E'…'`, at which the text begins.
fn end_of_escaped(text: &str) -> usize {
    let (bytes, mut at) = (text.as_bytes(), 2);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'\'' if bytes.get(at + 1) == Some(&b'\'') => at += 2,
            b'\'' => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// The end of `$tag$…$tag$`, at which the text begins.
fn end_of_dollar_quoted(text: &str) -> usize {
    let found = text[1..].find('$').and_then(|length| {
        let (tag, rest) = text.split_at(length + 2);
        Some(tag.len() + rest.find(tag)? + tag.len())
    });
    found.unwrap_or(text.len())
}

/// A statement for the parser of squawk, which then reads the same tokens: strings differ, but not their lengths.
pub(super) fn for_parser(statement: &str) -> Cow<'_, str> {
    if !statement.contains(['\\', '\r', '$']) {
        return Cow::Borrowed(statement);
    }
    let (mut same, mut rest) = (String::with_capacity(statement.len()), statement);
    while let Some((kind, token)) = first(rest) {
        rest = &rest[token.len()..];
        match kind {
            TokenKind::Literal { kind: LiteralKind::EscStr { .. } } => {
                // What a backslash escapes is of no interest, and the quote would end the string.
                same.push_str(&token.replace("\\\\", "__").replace("\\'", "''"));
            }
            TokenKind::Literal { kind: LiteralKind::DollarQuotedString { .. } } => {
                let tag = token[1..].find('$').map_or(token, |length| &token[..length + 2]);
                let is_closed = token.len() >= 2 * tag.len() && token.ends_with(tag);
                let body = if is_closed { token.len() - 2 * tag.len() } else { 0 };
                same.push_str(if is_closed { tag } else { token });
                same.extend(std::iter::repeat_n(' ', body));
                same.push_str(if is_closed { tag } else { "" });
            }
            TokenKind::Whitespace => same.push_str(&token.replace('\r', "\n")),
            _ => same.push_str(token),
        }
    }
    Cow::Owned(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_ends_where_the_server_ends_it() {
        for (text, token) in [
            (r"E'it\'s'; x", r"E'it\'s'"),
            (r"e'\\'; x", r"e'\\'"),
            (r"E'a''\\\'b' x", r"E'a''\\\'b'"),
            (r"E'\'", r"E'\'"),
            (r"'a\' x", r"'a\'"),
            ("$q$ a seq$q$; x", "$q$ a seq$q$"),
            ("$q$ a q$ b $q$; x", "$q$ a q$ b $q$"),
            ("$$a$b$$ x", "$$a$b$$"),
            ("$q$ a", "$q$ a"),
            ("-- a\rdrop table b", "-- a"),
            ("-- a\r\nb", "-- a"),
        ] {
            assert_eq!(first(text).unwrap().1, token, "{text}");
        }
    }

    #[test]
    fn the_parser_reads_the_same_tokens() {
        for statement in [
            r"insert into a values (E'it\'s', E'\\', 'x\')",
            "select $q$ from a seq$q$ from b",
            "alter table a -- x\rdrop column b",
        ] {
            let same = for_parser(statement);
            assert_eq!(same.len(), statement.len());
            let mut rest = statement;
            let expected: Vec<usize> = std::iter::from_fn(|| {
                let (_, token) = first(rest)?;
                rest = &rest[token.len()..];
                Some(token.len())
            })
            .collect();
            let lengths: Vec<usize> = squawk_lexer::tokenize(&same).map(|token| token.len as usize).collect();
            assert_eq!(lengths, expected, "{same}");
        }
    }
}
