//! Where the database is: a URL as migration tools take it.

use std::path::PathBuf;

use anyhow::{Result, bail};
use common::env::Env;

use crate::{mysql, postgres, sqlite};

/// A database, and how to reach it.
#[derive(Debug, Clone)]
pub(crate) enum Address {
    /// PostgreSQL.
    Postgres(Box<postgres::address::Address>),
    /// MySQL, MariaDB.
    MySql(Box<mysql::address::Address>),
    /// SQLite: where the file may be.
    Sqlite(Vec<PathBuf>),
}

impl Address {
    /// From a URL; `env` has what it does not say. The error does not repeat the URL.
    pub(crate) fn parse(text: &str, env: &Env<'_>) -> Result<Self> {
        let text = text.trim_start_matches("jdbc:");
        let Some((scheme, rest)) = text.split_once(':') else {
            bail!("is no URL, such as postgres://USER@HOST/DATABASE");
        };
        // SQLAlchemy names the driver too: postgresql+psycopg.
        match scheme.split('+').next().unwrap_or_default() {
            "postgres" | "postgresql" => {
                Ok(Self::Postgres(Box::new(postgres::address::Address::parse(rest, env)?)))
            }
            "mysql" | "mariadb" => Ok(Self::MySql(Box::new(mysql::address::Address::parse(rest)?))),
            "sqlite" | "sqlite3" => Ok(Self::Sqlite(sqlite::files(rest))),
            _ => bail!("is for none of PostgreSQL, MySQL, MariaDB and SQLite: nothing else can be watched"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Address, String> {
        Address::parse(text, &|_| None).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn the_kind_of_server_is_in_the_scheme() {
        for text in ["postgres://h/d", "postgresql+psycopg2://h/d", "jdbc:postgresql://h/d"] {
            assert!(matches!(parse(text), Ok(Address::Postgres(_))), "{text}");
        }
        for text in ["mysql://h/d", "mysql+pymysql://h/d", "jdbc:mariadb://h/d"] {
            assert!(matches!(parse(text), Ok(Address::MySql(_))), "{text}");
        }
        for text in ["sqlite:d.db", "sqlite3://d.db", "sqlite+pysqlite:///d.db"] {
            assert!(matches!(parse(text), Ok(Address::Sqlite(_))), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_repeated() {
        for text in [
            "postgres://u:secret@h:port/d",
            "mysql://u:secret@h:port/d",
            "mysql://u:secret@h/d?ssl-mode=secret",
            "u-secret",
            "u:secret",
            "oracle:thin:secret@h",
            "postgres://u:secret@h?sslmode=secret",
        ] {
            let error = parse(text).unwrap_err();
            assert!(!error.contains("secret"), "{text}: {error}");
        }
    }
}
