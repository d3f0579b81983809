//! The address of a PostgreSQL server, and the meaning of `sslmode` in its URL.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use common::env::Env;
use nix::unistd::{Uid, User};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use super::parameters::Parameters;
use super::passfile::{self, Login};

/// The default time limit of a connection attempt; the URL can set another one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The port of a server that is not named otherwise.
const DEFAULT_PORT: &str = "5432";

/// The folders in which servers have their sockets, as Debian and as PostgreSQL itself configure them.
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// A database, and how to connect to it.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    /// The configuration of the connection; its Debug output does not contain the password.
    pub(crate) config: Config,
    /// How to encrypt it.
    pub(crate) tls: Tls,
}

/// How a connection is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tls {
    /// How to verify the server.
    pub(crate) trust: Trust,
    /// The files of the client's certificate and its key.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
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
        Self::new(Parameters::from_url(rest)?, env)
    }

    /// Parses libpq's keywords and values; without any, everything comes from `env`.
    pub(crate) fn from_keywords(text: &str, env: &Env<'_>) -> Result<Self> {
        Self::new(Parameters::from_keywords(text)?, env)
    }

    fn new(mut parameters: Parameters, env: &Env<'_>) -> Result<Self> {
        parameters.complete(env)?;
        let ports = parameters.take("port").unwrap_or_else(|| DEFAULT_PORT.to_owned());
        let addresses = parameters.take("hostaddr").unwrap_or_default();
        let hosts = parameters.take("host").unwrap_or_else(|| match &*addresses {
            "" => default_host(&ports),
            addresses => addresses.to_owned(),
        });
        let own_user = || User::from_uid(Uid::effective()).ok().flatten().map(|user| user.name);
        let user = parameters.take("user").or_else(own_user);
        let user = user.context("has no user: write postgres://USER@HOST/DATABASE")?;
        let database = parameters.take("dbname").unwrap_or_else(|| user.clone());
        let mut config = Config::new();
        config.user(&user).dbname(&database);
        for host in hosts.split(',') {
            config.host(host);
        }
        for address in addresses.split(',').filter(|address| !address.is_empty()) {
            config.hostaddr(
                address.parse::<IpAddr>().ok().context("has a hostaddr that is not an IP address")?,
            );
        }
        for port in ports.split(',') {
            config.port(port.parse().ok().context("has a port that is not a number")?);
        }
        let first = |list: &str| list.split(',').next().unwrap_or_default().to_owned();
        let (first_host, first_port) = (first(&hosts), first(&ports));
        let host = if first_host.starts_with('/') { "localhost" } else { &first_host };
        let login = Login { host, port: &first_port, database: &database, user: &user };
        let passfile =
            parameters.take("passfile").map(PathBuf::from).or_else(|| Some(home(env)?.join(".pgpass")));
        let password = parameters.take("password");
        if let Some(password) = password.or_else(|| passfile::password(&passfile?, &login)) {
            config.password(password);
        }
        let timeout = parameters.get("connect_timeout").and_then(|seconds| seconds.parse().ok());
        config.connect_timeout(
            timeout.filter(|seconds| *seconds > 0).map_or(CONNECT_TIMEOUT, Duration::from_secs),
        );
        if let Some(options) = parameters.take("options") {
            config.options(options);
        }
        // A server in recovery is read-only, and another one accepts writes unless its sessions are read-only by default.
        config.target_session_attrs(match parameters.get("target_session_attrs").unwrap_or("any") {
            "read-write" | "primary" => TargetSessionAttrs::ReadWrite,
            "read-only" | "standby" => TargetSessionAttrs::ReadOnly,
            "any" | "prefer-standby" => TargetSessionAttrs::Any,
            _ => bail!("has an unknown target_session_attrs"),
        });
        let file = |parameter: &str, default: &str| {
            let named = parameters.get(parameter).map(PathBuf::from);
            named.or_else(|| Some(home(env)?.join(".postgresql").join(default)).filter(|file| file.exists()))
        };
        let root = file("sslrootcert", "root.crt").filter(|file| file != Path::new("system"));
        let (mode, trust) = parse_sslmode(parameters.get("sslmode"), root)?;
        let only_sockets = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
        config.ssl_mode(if only_sockets { SslMode::Disable } else { mode });
        let identity = file("sslcert", "postgresql.crt").zip(file("sslkey", "postgresql.key"));
        Ok(Self { config, tls: Tls { trust, identity } })
    }
}

/// The folder of the socket of a server on this port, or this machine by TCP.
fn default_host(port: &str) -> String {
    let has_socket = |folder: &&&str| Path::new(folder).join(format!(".s.PGSQL.{port}")).exists();
    SOCKET_FOLDERS.iter().find(has_socket).unwrap_or(&"localhost").to_string()
}

fn home(env: &Env<'_>) -> Option<PathBuf> {
    env("HOME").map(PathBuf::from)
}

/// The meaning of `sslmode` to libpq. With an authority, `require` verifies too.
fn parse_sslmode(mode: Option<&str>, root: Option<PathBuf>) -> Result<(SslMode, Trust)> {
    Ok(match mode.unwrap_or("prefer") {
        "disable" => (SslMode::Disable, Trust::Anyone),
        "allow" | "prefer" => (SslMode::Prefer, Trust::Anyone),
        // Of node-postgres: it encrypts, and trusts anyone.
        "no-verify" => (SslMode::Require, Trust::Anyone),
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
            (address.config.get_ssl_mode(), address.tls.trust)
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
        let env = |name: &str| {
            let value = match name {
                "PGUSER" => "u",
                "PGPASSWORD" => "p",
                "PGSSLMODE" => "verify-full",
                "PGDATABASE" => "shop",
                "PGPORT" => "5433",
                "PGHOST" => "db.internal",
                "PGTARGETSESSIONATTRS" => "primary",
                _ => return None,
            };
            Some(value.to_owned())
        };
        let whole = |address: Address| {
            assert_eq!(address.config.get_user(), Some("u"));
            assert_eq!(address.config.get_password(), Some(&b"p"[..]));
            assert_eq!(address.config.get_dbname(), Some("shop"));
            assert_eq!(address.config.get_ports(), [5433]);
            assert_eq!(address.config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
            assert_eq!(address.tls.trust, Trust::Host(None));
            address.config.get_hosts().to_vec()
        };
        assert_eq!(whole(Address::parse("//h", &env).unwrap()), [Host::Tcp("h".to_owned())]);
        assert_eq!(whole(Address::parse("///", &env).unwrap()), [Host::Tcp("db.internal".to_owned())]);
        assert_eq!(whole(Address::from_keywords("", &env).unwrap()), [Host::Tcp("db.internal".to_owned())]);
        let own = Address::parse("//a@h:1/d?target_session_attrs=any&sslmode=no-verify", &env).unwrap();
        assert_eq!((own.config.get_user(), own.config.get_dbname()), (Some("a"), Some("d")));
        assert_eq!((own.config.get_ports(), own.tls.trust), (&[1][..], Trust::Anyone));
    }
}
