//! Splits a script into statements, and parses each alone: what one cannot be parsed, changes no other.

use squawk_lexer::TokenKind;
use squawk_syntax::SourceFile;
use squawk_syntax::ast;

use super::token;

/// The deepest nesting of parentheses, and the longest row of prefix operators. The parser is recursive.
const MAX_NESTING: usize = 500;

/// The longest statement that is parsed, in bytes.
const MAX_STATEMENT: usize = 64 * 1024;

/// A statement of a script.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    /// The line on which it begins, from 1.
    pub(crate) line: usize,
    /// Its text, without the semicolon.
    pub(crate) text: String,
    /// The comments directly before it and in it.
    pub(crate) comments: Vec<String>,
    /// Its tree, or why there is none.
    pub(crate) parsed: Result<ast::Stmt, String>,
}

/// The statements of a script for psql or for a migration tool.
pub(crate) fn split(script: &str) -> Vec<Statement> {
    let (mut statements, mut start, mut line) = (Vec::new(), 0, 1);
    // A command of psql, or the data after COPY, ends what the lexer can read: it begins again after that.
    while let Some(rest) = script.get(start..).filter(|rest| !rest.is_empty()) {
        let end = split_until_stop(rest, line, &mut statements);
        line += rest[..end].matches('\n').count();
        start += end;
    }
    statements
}

/// Adds the statements at the beginning of `rest`, which begins on this line. Returns where the lexer has to begin again.
fn split_until_stop(rest: &str, mut line: usize, statements: &mut Vec<Statement>) -> usize {
    let (mut at, mut builder) = (0, Builder::default());
    while let Some((kind, text)) = token::first(&rest[at..]) {
        let from = at;
        at += text.len();
        match kind {
            TokenKind::Whitespace => {}
            TokenKind::LineComment | TokenKind::BlockComment { .. } => builder.comments.push(text.to_owned()),
            _ if builder.start.is_none() && text.starts_with('\\') => {
                let end = rest[from..].find('\n').map_or(rest.len(), |length| from + length);
                let text = rest[from..end].trim_end().to_owned();
                if !is_harmless(&text) {
                    let parsed = Err("it is a command of psql".to_owned());
                    statements.push(Statement { line, text, comments: builder.comments, parsed });
                }
                return end;
            }
            TokenKind::Semi if !builder.is_inside() => {
                let reads_stdin = builder.finish(rest, from).is_some_and(|statement| {
                    let reads_stdin = matches!(&statement.parsed, Ok(ast::Stmt::Copy(copy))
                        if copy.from_token().is_some() && copy.stdin_token().is_some());
                    statements.push(statement);
                    reads_stdin
                });
                if reads_stdin {
                    return end_of_data(rest, at);
                }
                builder = Builder::default();
            }
            kind => builder.add(kind, text, (from, line)),
        }
        line += text.matches('\n').count();
    }
    statements.extend(builder.finish(rest, rest.len()));
    rest.len()
}

/// Whether a line is one command of psql that runs nothing, and changes only what psql prints and knows.
fn is_harmless(line: &str) -> bool {
    const COMMANDS: [&str; 15] = [
        "a",
        "conninfo",
        "echo",
        "encoding",
        "prompt",
        "pset",
        "qecho",
        "restrict",
        "set",
        "t",
        "timing",
        "unrestrict",
        "unset",
        "warn",
        "x",
    ];
    let mut words = line.split_whitespace();
    let name = words.next().and_then(|word| word.strip_prefix('\\'));
    // A second backslash begins another command, and backquotes run a program. AUTOCOMMIT changes the transactions.
    name.is_some_and(|name| COMMANDS.contains(&name))
        && line.matches('\\').count() == 1
        && !line.contains('`')
        && words.next() != Some("AUTOCOMMIT")
}

/// The end of the data after `COPY … FROM STDIN`.
fn end_of_data(rest: &str, from: usize) -> usize {
    let data = &rest[from..];
    match data.find("\n\\.") {
        None => rest.len(),
        Some(at) => data[at + 1..].find('\n').map_or(rest.len(), |length| from + at + 1 + length),
    }
}

/// The tokens of the statement so far.
#[derive(Debug, Default)]
struct Builder {
    /// Where it begins: the byte and the line.
    start: Option<(usize, usize)>,
    comments: Vec<String>,
    parentheses: usize,
    deepest: usize,
    /// The depth in the body of a function that is written in SQL: `BEGIN ATOMIC … END`.
    atomic: usize,
    was_begin: bool,
    /// How many operators, or NOT, come directly one after the other.
    operators: usize,
}

impl Builder {
    fn is_inside(&self) -> bool {
        self.parentheses > 0 || self.atomic > 0
    }

    fn add(&mut self, kind: TokenKind, text: &str, at: (usize, usize)) {
        self.start.get_or_insert(at);
        let is = |word: &str| kind == TokenKind::Ident && text.eq_ignore_ascii_case(word);
        let is_operator =
            matches!(kind, TokenKind::Minus | TokenKind::Plus | TokenKind::Tilde | TokenKind::Bang);
        self.operators = if is_operator || is("not") { self.operators + 1 } else { 0 };
        match kind {
            TokenKind::OpenParen | TokenKind::OpenBracket => self.parentheses += 1,
            TokenKind::CloseParen | TokenKind::CloseBracket => {
                self.parentheses = self.parentheses.saturating_sub(1);
            }
            _ if is("atomic") && self.was_begin => self.atomic = 1,
            _ if is("case") && self.atomic > 0 => self.atomic += 1,
            _ if is("end") => self.atomic = self.atomic.saturating_sub(1),
            _ => {}
        }
        self.deepest = self.deepest.max(self.parentheses + self.operators);
        self.was_begin = is("begin");
    }

    fn finish(&mut self, rest: &str, end: usize) -> Option<Statement> {
        let (start, line) = self.start?;
        let text = rest[start..end].trim_end().to_owned();
        let parsed = if text.len() > MAX_STATEMENT {
            Err(format!("it is longer than {} kB", MAX_STATEMENT / 1024))
        } else if self.deepest > MAX_NESTING {
            Err("it is nested too deep".to_owned())
        } else {
            parse_one(&text)
        };
        Some(Statement { line, text, comments: std::mem::take(&mut self.comments), parsed })
    }
}

/// Parses one statement.
pub(crate) fn parse_one(text: &str) -> Result<ast::Stmt, String> {
    let parse = SourceFile::parse(&token::for_parser(text));
    if let Some(error) = parse.errors().first() {
        return Err(format!("it cannot be parsed: {}", error.message()));
    }
    let mut statements = parse.tree().stmts();
    match (statements.next(), statements.next()) {
        (Some(statement), None) => Ok(statement),
        _ => Err("it cannot be parsed as one statement".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(script: &str) -> Vec<(usize, String, bool)> {
        let statements = split(script).into_iter();
        statements.map(|statement| (statement.line, statement.text, statement.parsed.is_ok())).collect()
    }

    #[test]
    fn a_semicolon_in_a_string_a_body_or_a_comment_ends_nothing() {
        let script = "-- a; b\nselect ';';\n\ncreate function f() returns int language sql begin atomic select case when true then 1 end; end;\n\
            do $$ begin; end $$; /* ; */ create rule r as on insert to t do (select 1; select 2);\ncommit";
        let lines: Vec<usize> = texts(script).into_iter().map(|(line, ..)| line).collect();
        assert_eq!(lines, [2, 4, 5, 5, 6], "{:#?}", texts(script));
    }

    #[test]
    fn what_cannot_be_parsed_changes_no_other_statement() {
        let script = "alter table a add b int;\nalter tabel c;\nselect 'x;\n";
        assert_eq!(
            texts(script),
            [
                (1, "alter table a add b int".to_owned(), true),
                (2, "alter tabel c".to_owned(), false),
                (3, "select 'x;".to_owned(), false)
            ]
        );
    }

    #[test]
    fn commands_of_psql_and_data_are_no_sql() {
        let script = "\\i it's; a\ncopy t (a) from stdin;\n1\tdrop table t;\n\\.\n\\echo it's\n\\set x `y`\nselect 1;\n";
        assert_eq!(
            texts(script),
            [
                (1, "\\i it's; a".to_owned(), false),
                (2, "copy t (a) from stdin".to_owned(), true),
                (6, "\\set x `y`".to_owned(), false),
                (7, "select 1".to_owned(), true)
            ]
        );
    }

    #[test]
    fn a_command_of_psql_that_runs_nothing_is_no_statement() {
        for line in ["\\set ON_ERROR_STOP on", "\\timing", "\\restrict kX3", "\\echo done"] {
            assert!(is_harmless(line), "{line}");
        }
        for line in [
            "\\i x.sql",
            "\\set AUTOCOMMIT off",
            "\\echo a \\i x.sql",
            "\\set x `rm y`",
            "\\gexec",
            "\\connect z",
        ] {
            assert!(!is_harmless(line), "{line}");
        }
    }

    #[test]
    fn the_statements_are_those_that_the_server_sees() {
        for script in [
            r"select E'a\''; drop table b; --'",
            r"insert into a values (E'\''); drop table b; insert into a values (E'\'')",
            "select $q$ from a seq$q$; drop table b",
            "select 1; -- a\rdrop table b;\n",
        ] {
            let found = texts(script);
            assert!(found.contains(&(1, "drop table b".to_owned(), true)), "{script}: {found:#?}");
            assert!(found.iter().all(|(.., is_parsed)| *is_parsed), "{found:#?}");
        }
    }

    #[test]
    fn what_nests_too_deep_for_the_parser_is_not_parsed() {
        let nested = |before: &str, after: &str, times| {
            let sql = format!("select {}1{}", before.repeat(times), after.repeat(times));
            split(&sql)[0].parsed.is_ok()
        };
        for (before, after) in [("(", ")"), ("not ", ""), ("- ", ""), ("array[", "]")] {
            assert!(nested(before, after, 100), "{before}");
            assert!(!nested(before, after, 2000), "{before}");
        }
    }

    #[test]
    fn the_comments_before_a_statement_belong_to_it() {
        let statements = split("-- first\nselect 1; -- second\nselect 2 -- third\n;");
        let comments: Vec<_> = statements.iter().map(|statement| statement.comments.clone()).collect();
        assert_eq!(comments, [vec!["-- first"], vec!["-- second", "-- third"]]);
    }
}
