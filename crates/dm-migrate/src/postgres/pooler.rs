//! Detects a connection pooler that gives each transaction another session of the server: what a session sets or locks
//! there belongs to nobody, and stays.

use std::fmt;

use anyhow::{Context as _, Result};
use tokio_postgres::config::Host;

use super::address::Address;
use super::connection::{Connection, OpenError};

/// The port on which Supabase pools transactions; on its other port the same hosts pool sessions.
const SUPABASE_TRANSACTION_PORT: u16 = 6543;

/// How a pooler was recognized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pooler {
    /// By the name of its host.
    HostName(&'static str),
    /// It refuses settings at the startup of a session.
    RefusesOptions,
    /// It accepts them, and does not pass them on.
    DropsOptions,
    /// Two connections got the same session of the server.
    SharesSessions,
}

impl fmt::Display for Pooler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HostName(service) => write!(f, "its host is that of {service}'s pooler"),
            Self::RefusesOptions => f.write_str("it refuses startup options"),
            Self::DropsOptions => f.write_str("it ignores startup options"),
            Self::SharesSessions => f.write_str("two connections share one session"),
        }
    }
}

impl Pooler {
    /// The pooler that the address names.
    fn of_host(address: &Address) -> Option<Self> {
        let ports = address.config.get_ports();
        let hosts = address.config.get_hosts().iter().enumerate();
        hosts
            .filter_map(|(at, host)| match host {
                Host::Tcp(name) => Some((name.to_ascii_lowercase(), ports.get(at).or(ports.first()))),
                Host::Unix(_) => None,
            })
            .find_map(|(name, port)| {
                if name.ends_with(".neon.tech") && name.split('.').next()?.ends_with("-pooler") {
                    Some(Self::HostName("Neon"))
                } else if name.ends_with(".pooler.supabase.com") && port == Some(&SUPABASE_TRANSACTION_PORT) {
                    Some(Self::HostName("Supabase"))
                } else {
                    None
                }
            })
    }
}

/// Opens a connection to the database of the address, and returns the pooler in between, if it can be recognized from that.
pub(super) async fn open(address: &Address) -> Result<(Connection, Option<Pooler>), OpenError> {
    let plain = || Connection::open(&address.config, &address.tls, false);
    if let Some(pooler) = Pooler::of_host(address) {
        return Ok((plain().await?, Some(pooler)));
    }
    let connection = match Connection::open(&address.config, &address.tls, true).await {
        Err(OpenError::OptionsRefused) => return Ok((plain().await?, Some(Pooler::RefusesOptions))),
        connection => connection?,
    };
    let (_, timeout) = session(&connection).await?;
    let drops = (timeout != "500ms").then_some(Pooler::DropsOptions);
    Ok((connection, drops))
}

/// Compares the session of this connection with that of a second one. Both are in use only as long as their statements
/// run, so a pooler gives both the same.
pub(super) async fn compare(address: &Address, connection: &Connection) -> Result<Option<Pooler>> {
    let other = Connection::open(&address.config, &address.tls, true).await?;
    let (own, others) = (session(connection).await?.0, session(&other).await?.0);
    Ok((own == others).then_some(Pooler::SharesSessions))
}

async fn session(connection: &Connection) -> Result<(i32, String)> {
    let rows = connection.rows("select pg_backend_pid(), current_setting('lock_timeout')", &[]).await?;
    let row = rows.first().context("the server did not report its session")?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pooler_is_recognized_by_its_host() {
        let pooler = |rest: &str| Pooler::of_host(&Address::parse(rest, &|_| None).unwrap());
        assert!(pooler("//u@ep-cool-1-pooler.eu-central-1.aws.neon.tech/d").is_some());
        assert!(pooler("//u@aws-0-eu-west-1.pooler.supabase.com:6543/d").is_some());
        for direct in [
            "//u@ep-cool-1.eu-central-1.aws.neon.tech/d",
            "//u@aws-0-eu-west-1.pooler.supabase.com:5432/d",
            "//u@db.abc.supabase.co:5432/d",
            "//u@pooler.example.com/d",
        ] {
            assert_eq!(pooler(direct), None, "{direct}");
        }
    }
}
