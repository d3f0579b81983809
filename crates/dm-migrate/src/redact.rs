//! Redacts SQL statements for output: on one line, truncated, and without values, which may be personal data.

use std::iter::Peekable;
use std::str::Chars;

/// The maximum length of a statement, in bytes.
const MAX_LENGTH: usize = 160;

/// The syntax of strings, quoted names and comments on a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StringSyntax {
    /// `'it''s'`, `E'\\n'`, `$$…$$`; `"…"` is a name.
    Standard,
    /// `'it\'s'`, `"a string too"`; `# …` is a comment.
    MySql,
}

/// Replaces strings and numbers by `?`, removes comments, and collapses white space. A truncated statement ends in `…`.
pub(crate) fn redact_sql(sql: &str, strings: StringSyntax) -> String {
    let is_mysql = strings == StringSyntax::MySql;
    let mut out = String::new();
    let mut rest = sql.chars().peekable();
    let mut in_word = false;
    while let Some(c) = rest.next() {
        let was_in_word = std::mem::replace(&mut in_word, c.is_alphanumeric() || c == '_');
        match c {
            '\'' => {
                // An E before the quote starts a string with escapes, unless it is the end of a longer word.
                let escapes = is_mysql || out.ends_with(['E', 'e']) && !ends_in_longer_word(&out);
                skip_string(&mut rest, c, escapes);
                out.push('?');
            }
            '"' if is_mysql => {
                skip_string(&mut rest, c, true);
                out.push('?');
            }
            '"' => {
                out.push('"');
                for c in rest.by_ref() {
                    out.push(if c.is_control() { '_' } else { c });
                    if c == '"' {
                        break;
                    }
                }
            }
            '$' if !was_in_word && skip_dollar_string(&mut rest) => out.push('?'),
            '#' if is_mysql => {
                rest.by_ref().find(|c| *c == '\n');
                space(&mut out);
            }
            '-' if rest.peek() == Some(&'-') => {
                rest.by_ref().find(|c| *c == '\n');
                space(&mut out);
            }
            '/' if rest.peek() == Some(&'*') => {
                skip_comment(&mut rest);
                space(&mut out);
            }
            c if c.is_ascii_digit() && !was_in_word => {
                while rest.peek().is_some_and(|c| c.is_alphanumeric() || *c == '.') {
                    rest.next();
                }
                out.push('?');
                in_word = false;
            }
            c if c.is_whitespace() || c.is_control() => space(&mut out),
            c => out.push(c),
        }
    }
    let mut shown = out.trim_end().to_owned();
    if shown.len() > MAX_LENGTH {
        shown.truncate(shown.floor_char_boundary(MAX_LENGTH));
        shown.push('…');
    }
    shown
}

/// Replaces control characters, because a name from another session must not break the line.
pub(crate) fn one_line(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '_' } else { c }).collect()
}

fn space(out: &mut String) {
    if !out.is_empty() && !out.ends_with(' ') {
        out.push(' ');
    }
}

/// Whether the last letter of `out` belongs to a word of at least two characters.
fn ends_in_longer_word(out: &str) -> bool {
    out.chars().rev().nth(1).is_some_and(|c| c.is_alphanumeric() || c == '_')
}

/// Skips to the end of a string, or of the text, because the server truncates statements.
fn skip_string(rest: &mut Peekable<Chars<'_>>, quote: char, escapes: bool) {
    while let Some(c) = rest.next() {
        if c == '\\' && escapes || c == quote && rest.peek() == Some(&quote) {
            rest.next();
        } else if c == quote {
            return;
        }
    }
}

/// After a `$`: skips `tag$ … $tag$`, and returns whether it was such a string. A parameter such as `$1` is not.
fn skip_dollar_string(rest: &mut Peekable<Chars<'_>>) -> bool {
    let ahead: String = rest.clone().collect();
    let Some((tag, body)) = ahead.split_once('$') else { return false };
    if tag.starts_with(|c: char| c.is_ascii_digit()) || !tag.chars().all(|c| c.is_alphanumeric() || c == '_')
    {
        return false;
    }
    let end = format!("${tag}$");
    let body = body.find(&end).map_or(body.len(), |at| at + end.len());
    let length = ahead.get(..tag.len() + 1 + body).map_or(0, |skipped| skipped.chars().count());
    for _ in 0..length {
        rest.next();
    }
    true
}

/// After a `/`: skips to the end of a comment; comments can be nested.
fn skip_comment(rest: &mut Peekable<Chars<'_>>) {
    let mut depth = 0_u32;
    let mut last = '/';
    for c in rest.by_ref() {
        match (last, c) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth = depth.saturating_sub(1),
            _ => {
                last = c;
                continue;
            }
        }
        last = ' ';
        if depth == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{StringSyntax, redact_sql};

    #[test]
    fn values_are_masked_and_names_are_not() {
        for (sql, shown) in [
            ("select * from t1 where a = 'it''s' and b = 42.5e3", "select * from t1 where a = ? and b = ?"),
            ("select e'a\\'b', \"Na'me\", $1", "select e?, \"Na'me\", $?"),
            ("do $body$ secret $x$ $body$; x", "do ?; x"),
            ("do $$ secret", "do ?"),
            ("select 'cut off in the mid", "select ?"),
            ("-- secret\nselect\n\t/* a /* b */ secret */ 1", "select ?"),
            ("name'a\\'", "name?"),
        ] {
            assert_eq!(redact_sql(sql, StringSyntax::Standard), shown, "{sql}");
        }
    }

    #[test]
    fn mysql_s_string_syntax_is_supported() {
        for (sql, shown) in [
            (r"select 'it\'s secret', `a name`", "select ?, `a name`"),
            ("select \"a \\\" secret\" # secret\nfrom t", "select ? from t"),
            ("select 0x736563726574", "select ?"),
        ] {
            assert_eq!(redact_sql(sql, StringSyntax::MySql), shown, "{sql}");
        }
    }

    #[test]
    fn long_statements_are_truncated() {
        let shown = redact_sql(&"ü".repeat(500), StringSyntax::Standard);
        assert!(shown.ends_with('…') && shown.len() < 170, "{shown}");
    }

    proptest! {
        #[test]
        fn strings_are_never_shown(before in "[a-z =(]{0,9}", secret in "[A-Z]{3,9}", after in "[a-z, )]{0,9}") {
            for (quote, strings) in [('\'', StringSyntax::Standard), ('\'', StringSyntax::MySql), ('"', StringSyntax::MySql)] {
                let quoted = redact_sql(&format!("{before} {quote}{secret}{quote} {after}"), strings);
                prop_assert!(!quoted.contains(&secret), "{}", quoted);
            }
            let dollars = redact_sql(&format!("{before} $t${secret}$t$ {after}"), StringSyntax::Standard);
            prop_assert!(!dollars.contains(&secret), "{}", dollars);
        }

        #[test]
        fn any_text_gives_one_line(sql in "\\PC*|[-'$/*\\n\\\\e\"0a]{0,40}") {
            prop_assert!(!redact_sql(&sql, StringSyntax::Standard).contains('\n'));
            prop_assert!(!redact_sql(&sql, StringSyntax::MySql).contains('\n'));
        }
    }
}
