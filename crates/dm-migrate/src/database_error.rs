//! The error of the database in what a migration tool wrote. The monitor cannot see it: the server tells its client only.

use std::sync::LazyLock;

use regex_lite::Regex;

/// How each family of tools introduces the message. The first group is an SQLSTATE, if it comes before the message.
static MESSAGE: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        // psql, golang-migrate, Flyway, Atlas, pgx: `ERROR:  42703: column …`, `ERROR: column … (SQLSTATE 42703)`.
        r"\bERROR:\s+(?:([0-9A-Z]{5}):\s+)?(\S.*)$",
        // sqlx, refinery, diesel.
        r"(?i)error returned from database:\s+()(\S.*)$",
        // psycopg and asyncpg, for Alembic and Django: `psycopg2.errors.UndefinedColumn: column …`.
        r"\b(?:psycopg2?|asyncpg|MySQLdb|pymysql)\.[\w.]+:?\)?:?\s+()(\S.*)$",
        // lib/pq, by dbmate: `Error: line: 2, column: 60: pq: column …`.
        r"\bpq:\s+()(\S.*)$",
        // node-postgres, Rails: `error: column …`, `PG::UndefinedColumn: ERROR: …`.
        r"(?:^|\s)(?:error|PG::\w+|Error):\s+()(\S.*)$",
        // mysql: `ERROR 1054 (42S22) at line 1: Unknown column …`.
        r"\bERROR \d+ \(([0-9A-Z]{5})\)[^:]*:\s+(\S.*)$",
    ]
    .into_iter()
    .filter_map(|pattern| Regex::new(pattern).ok())
    .collect()
});

/// An SQLSTATE that is named anywhere: `SQLSTATE 42703`, `SQL State  : 42703`, `code: '42703'`, `error code: 42703`.
static STATE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)(?:sql\s?state|\bcode)\W{1,5}([0-9A-Z]{5})\b").ok());

/// The last error of a database in these lines, with its SQLSTATE if a line names it.
pub(crate) fn database_error(lines: &[String]) -> Option<String> {
    let found = |line: &String| {
        MESSAGE.iter().find_map(|pattern| {
            let captures = pattern.captures(line)?;
            let text = |number| captures.get(number).map(|group| group.as_str().trim().to_owned());
            Some((text(1).filter(|state| !state.is_empty()), text(2)?))
        })
    };
    let (place, (state, message)) =
        lines.iter().enumerate().rev().find_map(|(place, line)| Some((place, found(line)?)))?;
    // What belongs to the error is next to it.
    let near = &lines[place.saturating_sub(5)..lines.len().min(place + 10)];
    let named = || {
        let state = STATE.as_ref()?;
        near.iter().find_map(|line| Some(state.captures(line)?.get(1)?.as_str().to_owned()))
    };
    let state = state.or_else(named).filter(|state| state.contains(|c: char| c.is_ascii_digit()));
    Some(match state {
        Some(state) if !message.contains(&state) => format!("{message} ({state})"),
        _ => message,
    })
}

/// Whether the error is that of a lock wait that the server has ended: PostgreSQL's `lock_timeout` (55P03), or MySQL's
/// `lock_wait_timeout` (1205).
pub(crate) fn is_lock_timeout(error: &str) -> bool {
    let error = error.to_ascii_lowercase();
    ["55p03", "due to lock timeout", "lock wait timeout exceeded"].iter().any(|sign| error.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_the_database_is_found_in_the_output_of_many_tools() {
        let column = "column \"z\" does not exist";
        let with_state = format!("{column} (42703)");
        for (output, expected) in [
            (format!("psql:1.sql:1: ERROR:  {column}\nLINE 1: select z\n               ^"), column),
            (format!("ERROR:  42703: {column}\nLOCATION:  errorMissingColumn"), &with_state),
            (format!("error: while executing migrations: error returned from database: {column}"), column),
            (format!("psycopg2.errors.UndefinedColumn: {column}"), column),
            (format!("sqlalchemy.exc.ProgrammingError: (psycopg2.errors.UndefinedColumn) {column}"), column),
            (format!("error: {column}\n  code: '42703',"), &with_state),
            (format!("SQL State  : 42703\nError Code : 0\nMessage    : ERROR: {column}"), &with_state),
            (format!("migrate: ERROR: {column} (SQLSTATE 42703)"), &format!("{column} (SQLSTATE 42703)")),
            (format!("Error: pq: {column}"), column),
            (format!("Error: line: 2, column: 60, position: 74: pq: {column} (42703)"), &with_state),
            (
                "ERROR 1054 (42S22) at line 1: Unknown column 'z' in 'field list'".to_owned(),
                "Unknown column 'z' in 'field list' (42S22)",
            ),
        ] {
            let lines: Vec<String> = output.lines().map(str::to_owned).collect();
            assert_eq!(database_error(&lines).as_deref(), Some(expected), "{output}");
        }
        assert_eq!(database_error(&["3 migrations failed".to_owned()]), None);
    }
}
