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

/// A format with both directions in one file: how the lines begin that start each of them, and the word that turns the
/// transaction off.
const FORMATS: [(&str, &str, &str); 4] = [
    ("-- migrate:up", "-- migrate:down", "transaction:false"),
    ("-- +goose up", "-- +goose down", ""),
    ("-- +migrate up", "-- +migrate down", "notransaction"),
    ("-- up migration", "-- down migration", ""),
];

/// Comments that turn the transaction off for the whole file: of goose, sqlx and Atlas.
const WITHOUT_TRANSACTION: [&str; 4] =
    ["-- +goose no transaction", "-- no-transaction", "--no-transaction", "-- atlas:txmode none"];

/// The part of the text that is applied, with its line numbers unchanged, and whether that is in a transaction.
pub(crate) fn applied(text: &str) -> (String, Transaction) {
    let lines: Vec<String> = text.lines().map(|line| line.trim().to_lowercase()).collect();
    let is_off = lines.iter().any(|line| WITHOUT_TRANSACTION.contains(&line.as_str()));
    let format = FORMATS.iter().find(|(up, ..)| lines.iter().any(|line| line.starts_with(up)));
    let Some((up, down, word)) = format else {
        return (text.to_owned(), if is_off { Transaction::No } else { Transaction::Assumed });
    };
    let mut is_up = false;
    let mut transaction = if is_off { Transaction::No } else { Transaction::Yes };
    let mut sql = String::with_capacity(text.len());
    for (line, lower) in text.lines().zip(&lines) {
        if lower.starts_with(up) {
            is_up = true;
            if !word.is_empty() && lower.contains(word) {
                transaction = Transaction::No;
            }
        } else if lower.starts_with(down) {
            is_up = false;
        } else if is_up {
            sql.push_str(line);
        }
        sql.push('\n');
    }
    (sql, transaction)
}

/// Whether the file with this name, in lower case, only undoes another one.
pub(crate) fn is_undo(name: &str) -> bool {
    let is_flyway_undo = name
        .strip_prefix('u')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()) && rest.contains("__"));
    name == "down.sql" || name.ends_with(".down.sql") || is_flyway_undo
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
        ] {
            assert_eq!(applied(text), (sql.to_owned(), transaction), "{text}");
        }
    }

    #[test]
    fn files_that_undo_are_recognised_by_their_name() {
        for (name, expected) in [
            ("0001_a.down.sql", true),
            ("down.sql", true),
            ("u1.2__a.sql", true),
            ("v1.2__a.sql", false),
            ("users.sql", false),
            ("0001_a.up.sql", false),
        ] {
            assert_eq!(is_undo(name), expected, "{name}");
        }
    }
}
