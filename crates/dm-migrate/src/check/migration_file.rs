//! The part of a migration file that a tool applies, and whether it does so in a transaction.

/// Whether the statements of a file are in one transaction, if it does not begin one itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transaction {
    /// The file says so by its format.
    Yes,
    /// The file, or the user, says that each statement is on its own.
    No,
    /// It depends on the tool. Most use one.
    Assumed,
}

/// A format with both directions in one file: the comments that start each of them, and the word that turns the
/// transaction off. Without the first comment, the file begins with the upward part.
const FORMATS: [(&str, &str, &str); 7] = [
    ("migrate:up", "migrate:down", "transaction:false"),
    ("+goose up", "+goose down", ""),
    ("+migrate up", "+migrate down", "notransaction"),
    ("+micrate up", "+micrate down", ""),
    ("up migration", "down migration", ""),
    ("rambler up", "rambler down", ""),
    // Of tern.
    ("", "-- create above / drop below ----", ""),
];

/// Comments that turn the transaction off for the whole file: of goose, sqlx, Atlas and tern.
const WITHOUT_TRANSACTION: [&str; 4] =
    ["+goose no transaction", "no-transaction", "atlas:txmode none", "-- tern: disable-tx ----"];

/// How Liquibase's files begin, and each of its changes.
const LIQUIBASE: (&str, &str) = ("liquibase formatted sql", "changeset ");

/// The part of the text that is applied, with its line numbers unchanged, and whether that is in a transaction.
pub(crate) fn applied(text: &str) -> (String, Transaction) {
    let lines: Vec<String> = text.lines().map(comment).collect();
    let is_off = lines.iter().any(|line| WITHOUT_TRANSACTION.contains(&line.as_str()))
        || lines.iter().any(|line| is_mark(line, LIQUIBASE.0)) && has_no_liquibase_transaction(&lines);
    let has = |mark: &str| lines.iter().any(|line| is_mark(line, mark));
    let format = FORMATS.iter().find(|(up, down, _)| if up.is_empty() { has(down) } else { has(up) });
    let Some((up, down, word)) = format else {
        return (text.to_owned(), if is_off { Transaction::No } else { Transaction::Assumed });
    };
    let mut is_up = up.is_empty();
    let mut transaction = if is_off { Transaction::No } else { Transaction::Yes };
    let mut sql = String::with_capacity(text.len());
    for (line, lower) in text.lines().zip(&lines) {
        if !up.is_empty() && is_mark(lower, up) {
            is_up = true;
            if !word.is_empty() && lower.contains(word) {
                transaction = Transaction::No;
            }
        } else if is_mark(lower, down) {
            is_up = false;
        } else if is_up {
            sql.push_str(line);
        }
        sql.push('\n');
    }
    (sql, transaction)
}

/// The comment of a line that is nothing else, in lower case and with single spaces; otherwise an empty text.
fn comment(line: &str) -> String {
    let comment = line.strip_prefix("--").unwrap_or_default();
    comment.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether the comment is this mark, perhaps with options.
fn is_mark(comment: &str, mark: &str) -> bool {
    comment.strip_prefix(mark).is_some_and(|options| options.is_empty() || options.starts_with(' '))
}

/// Whether none of the changes in a file for Liquibase is in a transaction.
fn has_no_liquibase_transaction(comments: &[String]) -> bool {
    let mut changes = comments.iter().filter(|comment| comment.starts_with(LIQUIBASE.1)).peekable();
    changes.peek().is_some() && changes.all(|change| change.contains("runintransaction:false"))
}

/// Files next to a migration that turn its transaction off: what their names end with, or are, and the line in them. Of
/// Flyway and Diesel.
pub(crate) const OPTIONS: [(&str, &str); 2] =
    [(".conf", "executeintransaction=false"), ("metadata.toml", "run_in_transaction=false")];

/// Whether a file of options has this line.
pub(crate) fn has_option(text: &str, line: &str) -> bool {
    text.lines().any(|other| other.to_lowercase().replace(' ', "").trim() == line)
}

/// Whether the file with this name, in lower case, only undoes another one.
pub(crate) fn is_undo(name: &str) -> bool {
    let is_flyway_undo = name
        .strip_prefix('u')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()) && rest.contains("__"));
    name == "down.sql" || name.ends_with(".rollback.sql") || name.ends_with(".down.sql") || is_flyway_undo
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_upward_part_is_applied() {
        for (text, sql, transaction) in [
            ("-- migrate:up\na;\n-- migrate:down\nb;", "\na;\n\n\n", Transaction::Yes),
            ("-- migrate:up transaction:false\na;\n-- migrate:down\nb;", "\na;\n\n\n", Transaction::No),
            (
                "-- +goose NO TRANSACTION\n-- +goose Up\na;\n-- +goose Down\nb;",
                "\n\na;\n\n\n",
                Transaction::No,
            ),
            ("-- +migrate Up notransaction\na;", "\na;\n", Transaction::No),
            ("-- Up Migration\na;\n-- Down Migration\nb;", "\na;\n\n\n", Transaction::Yes),
            ("-- no-transaction\na;", "-- no-transaction\na;", Transaction::No),
            ("a;", "a;", Transaction::Assumed),
            // Spaces and letters as the tools allow them.
            ("--+goose  UP\r\na;\r\n--  +goose down\r\nb;", "\na;\n\n\n", Transaction::Yes),
            ("a;\n---- create above / drop below ----\nb;", "a;\n\n\n", Transaction::Yes),
            ("-- rambler up\na;\n-- rambler down\nb;", "\na;\n\n\n", Transaction::Yes),
            // What the tools do not take for a mark.
            (
                "-- migrate:up\na;\n--- migrate:down\n -- migrate:down\n-- migrate:downward\nb;",
                "\na;\n--- migrate:down\n -- migrate:down\n-- migrate:downward\nb;\n",
                Transaction::Yes,
            ),
            (
                "--liquibase formatted sql\n--changeset a:1 runInTransaction:false\na;",
                "--liquibase formatted sql\n--changeset a:1 runInTransaction:false\na;",
                Transaction::No,
            ),
            (
                "--liquibase formatted sql\n--changeset a:1 runInTransaction:false\na;\n--changeset a:2\nb;",
                "--liquibase formatted sql\n--changeset a:1 runInTransaction:false\na;\n--changeset a:2\nb;",
                Transaction::Assumed,
            ),
        ] {
            assert_eq!(applied(text), (sql.to_owned(), transaction), "{text}");
        }
    }

    #[test]
    fn files_that_undo_are_recognised_by_their_name() {
        for (name, expected) in [
            ("0001_a.down.sql", true),
            ("down.sql", true),
            ("1.rollback.sql", true),
            ("u1.2__a.sql", true),
            ("v1.2__a.sql", false),
            ("users.sql", false),
            ("0001_a.up.sql", false),
        ] {
            assert_eq!(is_undo(name), expected, "{name}");
        }
    }
}
