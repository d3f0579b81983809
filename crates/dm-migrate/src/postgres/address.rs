//! The address of a PostgreSQL server, and the meaning of `sslmode` in its URL.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use common::env::Env;
use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// The default time limit of a connection attempt; the URL can set another one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The URL parameters that are passed to the driver. Tools add others, which the server would refuse.
const PARAMETERS: [&str; 8] =
    ["user", "password", "dbname", "host", "hostaddr", "port", "connect_timeout", "options"];

/// A database, and how to connect to it.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    /// The configuration of the connection; its Debug output does not contain the password.
    pub(crate) config: Config,
    /// How to verify the server.
    pub(crate) trust: Trust,
}

/// The requirements for the server's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trust {
    /// None: `prefer` and `require` only encrypt.
    Anyone,
    /// It is from an authority in this file, or one that the machine trusts: `verify-ca`.
    Authority(Option<PathBuf>),
    /// In addition, it is for the host of the URL: `verify-full`.
    Host(Option<PathBuf>),
}

impl Address {
    /// Parses the part of a URL after its scheme. Like libpq, takes missing parts from `env`. The error does not contain the
    /// URL.
    pub(crate) fn parse(rest: &str, env: &Env<'_>) -> Result<Self> {
        let Some(rest) = rest.strip_prefix("//") else {
            bail!("is not a URL such as postgres://USER@HOST/DATABASE");
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let parameters = || {
            query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .map(|(name, value)| (name, value, pair(name, value)))
        };
        let supported = parameters().filter(|(name, ..)| PARAMETERS.contains(name)).map(|(.., pair)| pair);
        let url = format!("postgres://{rest}?{}", supported.collect::<Vec<_>>().join("&"));
        // The driver's error may quote parts of the URL.
        let mut config: Config = url
            .parse()
            .ok()
            .context("is not a valid URL: write postgres://USER:PASSWORD@HOST:PORT/DATABASE")?;
        let parameter = |name: &str| {
            let value = parameters().find(|(other, ..)| *other == name)?.1;
            Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
        };
        if config.get_user().is_none()
            && let Some(user) = env("PGUSER")
        {
            config.user(user);
        }
        if config.get_password().is_none()
            && let Some(password) = env("PGPASSWORD")
        {
            config.password(password);
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        let root = parameter("sslrootcert").or_else(|| env("PGSSLROOTCERT")).filter(|file| file != "system");
        let mode = parameter("sslmode").or_else(|| env("PGSSLMODE"));
        let (mode, trust) = parse_sslmode(mode.as_deref(), root.map(PathBuf::from))?;
        let only_sockets = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
        config.ssl_mode(if only_sockets { SslMode::Disable } else { mode });
        Ok(Self { config, trust })
    }
}

fn pair(name: &str, value: &str) -> String {
    format!("{name}={value}")
}

/// The meaning of `sslmode` to libpq. With an authority, `require` verifies too.
fn parse_sslmode(mode: Option<&str>, root: Option<PathBuf>) -> Result<(SslMode, Trust)> {
    Ok(match mode.unwrap_or("prefer") {
        "disable" => (SslMode::Disable, Trust::Anyone),
        "allow" | "prefer" => (SslMode::Prefer, Trust::Anyone),
        "require" if root.is_none() => (SslMode::Require, Trust::Anyone),
        "require" | "verify-ca" => (SslMode::Require, Trust::Authority(root)),
        "verify-full" => (SslMode::Require, Trust::Host(root)),
        _ => bail!(
            "has an unknown sslmode; known are disable, allow, prefer, require, verify-ca and verify-full"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(rest: &str) -> Address {
        Address::parse(rest, &|_| None).unwrap()
    }

    #[test]
    fn the_url_formats_of_all_tools_are_accepted() {
        for text in [
            "//u:p@h:5433/d",
            "//u:p@h:5433/d?schema=public&pgbouncer=true",
            "//u:p@h:5433/d?x-migrations-table=m",
            "//h:5433/d?user=u&password=p&ApplicationName=x",
        ] {
            let config = parse(text).config;
            let parts = (config.get_user(), config.get_password(), config.get_dbname(), config.get_ports());
            assert_eq!(parts, (Some("u"), Some(&b"p"[..]), Some("d"), &[5433][..]), "{text}");
        }
    }

    #[test]
    fn sslmode_has_the_meaning_of_libpq() {
        let ssl = |query: &str| {
            let address = parse(&format!("//h/d?{query}"));
            (address.config.get_ssl_mode(), address.trust)
        };
        let root = || Some(PathBuf::from("/ca.pem"));
        assert_eq!(ssl(""), (SslMode::Prefer, Trust::Anyone));
        assert_eq!(ssl("sslmode=disable"), (SslMode::Disable, Trust::Anyone));
        assert_eq!(ssl("sslmode=require"), (SslMode::Require, Trust::Anyone));
        let with_root = ssl("sslmode=require&sslrootcert=%2Fca.pem");
        assert_eq!(with_root, (SslMode::Require, Trust::Authority(root())));
        assert_eq!(ssl("sslmode=verify-ca"), (SslMode::Require, Trust::Authority(None)));
        assert_eq!(ssl("sslmode=verify-full&sslrootcert=system"), (SslMode::Require, Trust::Host(None)));
        let socket = parse("///d?host=/run/postgresql&sslmode=require");
        assert_eq!(socket.config.get_ssl_mode(), SslMode::Disable);
    }

    #[test]
    fn the_environment_completes_the_url() {
        let env = |name: &str| match name {
            "PGUSER" => Some("u".to_owned()),
            "PGPASSWORD" => Some("p".to_owned()),
            "PGSSLMODE" => Some("verify-full".to_owned()),
            _ => None,
        };
        let address = Address::parse("//h/d", &env).unwrap();
        assert_eq!(address.config.get_user(), Some("u"));
        assert_eq!(address.config.get_password(), Some(&b"p"[..]));
        assert_eq!(address.trust, Trust::Host(None));
    }
}
