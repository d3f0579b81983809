//! The address of the database: a URL in the format of any migration tool.

use std::path::PathBuf;

use anyhow::{Result, bail};
use common::env::Env;

use crate::{mysql, postgres, sqlite};

/// A database, and how to connect to it.
#[derive(Debug, Clone)]
pub(crate) enum Address {
    /// A PostgreSQL server.
    Postgres(Box<postgres::address::Address>),
    /// A MySQL or MariaDB server.
    MySql(Box<mysql::address::Address>),
    /// The candidate paths of an SQLite file.
    Sqlite(Vec<PathBuf>),
}

impl Address {
    /// Parses a URL; missing parts come from `env`. The error does not contain the URL.
    pub(crate) fn parse(text: &str, env: &Env<'_>) -> Result<Self> {
        // A value from an .env file can be quoted.
        let text = ['"', '\'']
            .iter()
            .find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote))
            .unwrap_or(text);
        let text = match text.get(..5) {
            Some(prefix) if prefix.eq_ignore_ascii_case("jdbc:") => text.get(5..).unwrap_or_default(),
            _ => text,
        };
        if is_keywords(text) {
            let address = postgres::address::Address::from_keywords(text, env)?;
            return Ok(Self::Postgres(Box::new(address)));
        }
        let Some((scheme, rest)) = text.split_once(':') else {
            bail!("is not a URL such as postgres://USER@HOST/DATABASE");
        };
        // SQLAlchemy adds the driver to the scheme: postgresql+psycopg.
        match scheme.to_ascii_lowercase().split('+').next().unwrap_or_default() {
            "postgres" | "postgresql" | "psql" | "pgsql" | "postgis" | "pgx" | "pgx4" | "pgx5" => {
                Ok(Self::Postgres(Box::new(postgres::address::Address::parse(rest, env)?)))
            }
            "mysql" | "mysql2" | "mariadb" | "trilogy" => {
                Ok(Self::MySql(Box::new(mysql::address::Address::parse(rest)?)))
            }
            "sqlite" | "sqlite3" => Ok(Self::Sqlite(sqlite::candidate_paths(rest))),
            "file" => Ok(Self::Sqlite(sqlite::file_paths(rest))),
            _ => {
                bail!("is not for PostgreSQL, MySQL, MariaDB or SQLite; other databases cannot be monitored")
            }
        }
    }
}

/// Whether this is libpq's `host=… dbname=…`.
fn is_keywords(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, _)| {
        let name = name.trim_end();
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Address, String> {
        Address::parse(text, &|_| None).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn the_scheme_decides_the_kind_of_server() {
        for text in [
            "postgres://h/d",
            "postgresql+psycopg2://h/d",
            "jdbc:postgresql://h/d",
            "JDBC:postgresql:app",
            "POSTGRES://h/d",
            "postgis://h/d",
            "pgx5://h/d",
            "psql://h/d",
            "pgsql://h/d",
            "\"postgres://h/d\"",
            "'postgres://h/d'",
            "host=h dbname=d user=u",
            "dbname = d",
        ] {
            assert!(matches!(parse(text), Ok(Address::Postgres(_))), "{text}");
        }
        for text in [
            "mysql://h/d",
            "mysql2://h/d",
            "mysql+pymysql://h/d",
            "jdbc:mariadb://h/d",
            "mysql://root@unix(/s)/d",
        ] {
            assert!(matches!(parse(text), Ok(Address::MySql(_))), "{text}");
        }
        for text in ["sqlite:d.db", "sqlite3://d.db", "sqlite+pysqlite:///d.db", "file:./dev.db"] {
            assert!(matches!(parse(text), Ok(Address::Sqlite(_))), "{text}");
        }
    }

    #[test]
    fn errors_do_not_repeat_the_url() {
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
