//! Addresses of databases: `redis://`, `postgres://` and `mysql://`, with the parts that their own tools write there.

use std::fmt;

use common::env::Env;
use percent_encoding::percent_decode_str;
use regex::bytes::Regex;
use url::Url;

use super::host_port::{HostPort, host_port_or};

/// A database.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Database {
    /// Its protocol.
    pub(crate) kind: DatabaseKind,
    /// The host and the port.
    pub(crate) at: HostPort,
    /// Whether to use TLS. Certificates are always verified.
    pub(crate) tls: bool,
    /// The user.
    pub(crate) user: Option<String>,
    /// The password. `Debug` does not show it.
    pub(crate) password: Option<String>,
    /// The name or the number of the database.
    pub(crate) name: Option<String>,
    /// A key that must exist. Only Redis has it.
    pub(crate) key: Option<String>,
    /// A regular expression that the value of the key matches.
    pub(crate) matches: Option<String>,
}

/// The protocol of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DatabaseKind {
    /// Redis, Valkey and others with their protocol.
    Redis,
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    MySql,
}

impl DatabaseKind {
    /// The kind that a scheme stands for.
    pub(super) fn of_scheme(scheme: &str) -> Option<Self> {
        match scheme {
            "redis" | "rediss" => Some(Self::Redis),
            "postgres" | "postgresql" => Some(Self::Postgres),
            "mysql" | "mariadb" => Some(Self::MySql),
            _ => None,
        }
    }

    /// The usual scheme of a URL.
    pub(crate) fn scheme(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Postgres => "postgres",
            Self::MySql => "mysql",
        }
    }

    /// The variable of the environment in which its own client looks for a password.
    pub(crate) fn password_variable(self) -> &'static str {
        match self {
            Self::Redis => "REDISCLI_AUTH",
            Self::Postgres => "PGPASSWORD",
            Self::MySql => "MYSQL_PWD",
        }
    }

    fn port(self) -> u16 {
        match self {
            Self::Redis => 6379,
            Self::Postgres => 5432,
            Self::MySql => 3306,
        }
    }
}

/// Parameters that would change where to connect or whom to trust, so that ignoring them would mislead.
const UNSUPPORTED: [&str; 14] = [
    "host",
    "hostaddr",
    "port",
    "socket",
    "unixsocket",
    "user",
    "password",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "sslca",
    "servercertificate",
    "sslnegotiation",
    "service",
];

impl Database {
    /// Parses a URL with one of the schemes.
    pub(super) fn parse(kind: DatabaseKind, url: &Url) -> Result<Self, String> {
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let given = |text: &str| Some(decode(text)).filter(|text| !text.is_empty());
        let mut database = Self {
            kind,
            at: host_port_or(url, Some(kind.port()))?,
            tls: url.scheme() == "rediss",
            user: given(url.username()),
            password: url.password().and_then(given),
            name: given(url.path().trim_start_matches('/')),
            key: None,
            matches: None,
        };
        for (name, value) in url.query_pairs() {
            database.parameter(&name, &value)?;
        }
        if kind == DatabaseKind::Redis {
            if database.name.as_ref().is_some_and(|name| name.parse::<u32>().is_err()) {
                return Err("redis:// has the number of a database as its path, such as /0".to_owned());
            }
            if database.matches.is_some() && database.key.is_none() {
                return Err("redis: matches= needs key=".to_owned());
            }
        }
        Ok(database)
    }

    fn parameter(&mut self, name: &str, value: &str) -> Result<(), String> {
        let scheme = self.kind.scheme();
        // MySQL's clients write ssl-mode, ssl_mode or sslMode.
        let plain = name.to_lowercase().replace(['-', '_'], "");
        match (self.kind, plain.as_str()) {
            (DatabaseKind::Redis, "key") => self.key = Some(value.to_owned()),
            (DatabaseKind::Redis, "matches") => {
                Regex::new(value).map_err(|_| "redis: matches= is not a regular expression".to_owned())?;
                self.matches = Some(value.to_owned());
            }
            (DatabaseKind::Redis, _) => {
                return Err(format!("redis: unknown parameter {name}; known are key and matches"));
            }
            (_, "sslmode") => self.tls = uses_tls(scheme, &value.to_lowercase())?,
            (_, other) if UNSUPPORTED.contains(&other) => {
                return Err(format!(
                    "{scheme}: the parameter {name} is not supported; authorities to trust are in SSL_CERT_FILE"
                ));
            }
            // The others, such as the schema of a framework, do not change whether the server is ready.
            _ => {}
        }
        Ok(())
    }

    /// The same with the password from the environment, if the URL has none: there it is seen in no list of processes.
    pub(crate) fn with_password_of(mut self, env: &Env<'_>) -> Self {
        // Without a user, PostgreSQL and MySQL are asked whether they are ready, and nothing else.
        if self.password.is_none() && (self.user.is_some() || self.kind == DatabaseKind::Redis) {
            self.password = env(self.kind.password_variable());
        }
        self
    }

    /// The address without secrets.
    pub(crate) fn display(&self) -> String {
        let HostPort { host, port } = &self.at;
        let scheme = if self.kind == DatabaseKind::Redis && self.tls { "rediss" } else { self.kind.scheme() };
        let name = self.name.as_ref().map(|name| format!("/{name}")).unwrap_or_default();
        format!("{scheme}://{host}:{port}{name}")
    }
}

/// Whether a mode of libpq's or of MySQL's uses TLS. One that would only use it if it can does not.
fn uses_tls(scheme: &str, mode: &str) -> Result<bool, String> {
    match mode.replace('_', "-").as_str() {
        "" | "disable" | "disabled" | "allow" | "prefer" | "preferred" => Ok(false),
        "require" | "required" | "verify-ca" | "verify-full" | "verify-identity" => Ok(true),
        _ => Err(format!("{scheme}: unknown sslmode; known are disable, require and verify-full")),
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Database").field(&self.display()).field(&self.tls).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(text: &str) -> Result<Database, String> {
        let url = Url::parse(text).unwrap();
        Database::parse(DatabaseKind::of_scheme(url.scheme()).unwrap(), &url)
    }

    #[test]
    fn each_protocol_has_its_port_and_its_meaning_of_tls() {
        let parts = |text: &str| {
            let database = database(text).unwrap();
            (database.display(), database.tls)
        };
        assert_eq!(parts("redis://h"), ("redis://h:6379".to_owned(), false));
        assert_eq!(parts("rediss://:p@h:1/2?key=a"), ("rediss://h:1/2".to_owned(), true));
        assert_eq!(parts("postgresql://u:p@h/d?schema=x"), ("postgres://h:5432/d".to_owned(), false));
        assert!(parts("postgres://h?sslmode=require").1);
        assert!(parts("mysql://h:1/d?ssl-mode=VERIFY_IDENTITY").1);
        assert_eq!(parts("mariadb://h"), ("mysql://h:3306".to_owned(), false));
    }

    #[test]
    fn a_password_comes_from_the_url_or_the_environment_and_is_not_shown() {
        let env = |name: &str| Some(format!("value of {name}"));
        let password = |text: &str| database(text).unwrap().with_password_of(&env).password;
        assert_eq!(password("postgres://u:p%40@h").as_deref(), Some("p@"));
        assert_eq!(password("postgres://u@h").as_deref(), Some("value of PGPASSWORD"));
        assert_eq!(password("postgres://h"), None);
        assert_eq!(password("mysql://u@h").as_deref(), Some("value of MYSQL_PWD"));
        assert_eq!(password("redis://h").as_deref(), Some("value of REDISCLI_AUTH"));
        assert!(!format!("{:?}", database("redis://:hunter22@h").unwrap()).contains("hunter22"));
    }

    #[test]
    fn what_would_mislead_is_refused() {
        for (text, says) in [
            ("postgres://h?sslrootcert=/ca.pem", "SSL_CERT_FILE"),
            ("postgres://h?sslmode=yes", "unknown sslmode"),
            ("mysql://h?socket=/s", "the parameter socket is not supported"),
            ("redis://h/db", "the number of a database"),
            ("redis://h?kee=a", "unknown parameter kee"),
            ("redis://h?matches=a", "needs key="),
            ("redis://h?key=a&matches=(", "not a regular expression"),
        ] {
            let error = database(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
