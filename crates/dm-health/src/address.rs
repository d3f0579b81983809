//! Addresses of targets, as typed.

use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::env::Env;
use common::http::parse_url;
use common::label::Label;
use percent_encoding::percent_decode_str;
use url::Url;

mod database;
mod dns;
mod host_port;
mod udp;

pub(crate) use database::{Database, DatabaseKind};
pub(crate) use dns::{DnsQuestion, answer, type_name};
pub(crate) use host_port::HostPort;
use host_port::host_port_or;
pub(crate) use udp::UdpExchange;

/// A shorter user, password or value of a query is not treated as a secret.
const SHORTEST_SECRET: usize = 4;

const HINT: &str = "write one such as https://host/path, tcp://host:port, grpc://host:port/service, dns:name, postgres://host or exec:'program argument'";

/// An address with an optional name: `NAME=ADDRESS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedAddress {
    /// The name, if there is one.
    pub(crate) name: Option<Label>,
    /// The address to probe.
    pub(crate) address: Address,
}

/// An address to probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// An `http` or `https` URL.
    Http(Url),
    /// `tcp://host:port`: healthy if it accepts a connection.
    Tcp(HostPort),
    /// `grpc://host:port/service`, or `grpcs` with TLS: healthy if the standard health service says so.
    Grpc {
        /// The host and the port.
        at: HostPort,
        /// Whether to use TLS.
        tls: bool,
        /// The service; empty for the server as a whole.
        service: String,
    },
    /// `exec:program argument …`: healthy if the program exits with 0. Not empty.
    Exec(Vec<String>),
    /// `dns:name`: healthy if it resolves.
    Dns(DnsQuestion),
    /// `udp://host:port`: healthy if it answers a datagram.
    Udp(UdpExchange),
    /// `redis://`, `postgres://` or `mysql://`: healthy if it is ready.
    Database(Database),
}

impl Address {
    /// Whether it answers over HTTP.
    pub(crate) fn is_http(&self) -> bool {
        matches!(self, Self::Http(_))
    }

    /// Whether a probe can send headers, which gRPC calls metadata.
    pub(crate) fn takes_headers(&self) -> bool {
        self.is_http() || matches!(self, Self::Grpc { .. })
    }

    /// Whether it has a certificate that can be looked at.
    pub(crate) fn is_tls(&self) -> bool {
        match self {
            Self::Http(url) => url.scheme() == "https",
            Self::Grpc { tls, .. } => *tls,
            // The driver of MySQL does not show the certificate.
            Self::Database(database) => database.tls && database.kind != DatabaseKind::MySql,
            Self::Tcp(_) | Self::Exec(_) | Self::Dns(_) | Self::Udp(_) => false,
        }
    }

    /// The same with what the environment adds: the password of a database.
    pub(crate) fn with_environment(self, env: &Env<'_>) -> Self {
        match self {
            Self::Database(database) => Self::Database(database.with_password_of(env)),
            other => other,
        }
    }

    /// The secrets that it may contain: user, password and the values of the query, as typed and decoded.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let url = match self {
            Self::Http(url) => url,
            Self::Database(database) => return database.password.clone().into_iter().collect(),
            _ => return Vec::new(),
        };
        let (user, password) = (url.username(), url.password().unwrap_or_default());
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let basic = STANDARD.encode(format!("{}:{}", decoded(user), decoded(password)));
        let typed =
            url.query().unwrap_or_default().split('&').filter_map(|pair| Some(pair.split_once('=')?.1));
        let mut secrets: Vec<String> = typed.chain([user, password]).map(str::to_owned).collect();
        secrets.extend([decoded(user), decoded(password), basic]);
        secrets.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
        // Shorter ones would be found in everything.
        secrets.retain(|secret| secret.len() >= SHORTEST_SECRET);
        secrets
    }
}

impl FromStr for NamedAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            // An address may contain an =, but not before the end of its scheme.
            Some((name, address)) if !name.contains([':', '/']) => {
                let name = name.parse().map_err(|error| format!("the name before the = {error}"))?;
                Ok(Self { name: Some(name), address: address.parse()? })
            }
            _ => Ok(Self { name: None, address: text.parse()? }),
        }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(command) = text.strip_prefix("exec:") {
            let words = shell_words::split(command).map_err(|error| format!("exec: {error}"))?;
            return match words.first().map(String::as_str) {
                None | Some("") => {
                    Err("exec: has no program; write one such as exec:'pg_isready -q'".to_owned())
                }
                Some(_) => Ok(Self::Exec(words)),
            };
        }
        let url = Url::parse(text).map_err(|error| format!("not a URL ({error}); {HINT}"))?;
        match url.scheme() {
            "http" | "https" => parse_url(text).map(Self::Http),
            "tcp" if matches!(url.path(), "" | "/") => host_port(&url).map(Self::Tcp),
            "tcp" => Err("tcp:// allows only a host and a port".to_owned()),
            scheme @ ("grpc" | "grpcs") => Ok(Self::Grpc {
                at: host_port(&url)?,
                tls: scheme == "grpcs",
                service: url.path().trim_start_matches('/').to_owned(),
            }),
            "dns" => DnsQuestion::parse(&url).map(Self::Dns),
            "udp" => UdpExchange::parse(&url).map(Self::Udp),
            scheme => match DatabaseKind::of_scheme(scheme) {
                Some(kind) => Database::parse(kind, &url).map(Self::Database),
                None => Err(format!("unknown scheme {scheme:?}; {HINT}")),
            },
        }
    }
}

fn host_port(url: &Url) -> Result<HostPort, String> {
    let scheme = url.scheme();
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err(format!("{scheme}:// allows no user, no password and no query"));
    }
    host_port_or(url, None)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use url::Host;

    use super::*;

    fn parsed(text: &str) -> (Option<String>, Address) {
        let named: NamedAddress = text.parse().unwrap();
        (named.name.map(String::from), named.address)
    }

    fn error(text: &str) -> String {
        text.parse::<NamedAddress>().unwrap_err()
    }

    #[test]
    fn a_name_may_precede_the_address() {
        let url = Address::Http(Url::parse("http://h/a?b=c").unwrap());
        assert_eq!(parsed("api=http://h/a?b=c"), (Some("api".to_owned()), url.clone()));
        assert_eq!(parsed("http://h/a?b=c"), (None, url));
        assert!(error("=http://h").contains("must not be empty"));
        assert!(error("api=h").contains("not a URL"));
    }

    #[test]
    fn each_scheme_has_its_parts() {
        let at = |host, port| HostPort { host, port };
        let v4 = Host::Ipv4(Ipv4Addr::LOCALHOST);
        let name = Host::Domain("db".to_owned());
        assert_eq!(parsed("db=tcp://127.0.0.1:5432").1, Address::Tcp(at(v4, 5432)));
        assert_eq!(parsed("tcp://db:80/").1, Address::Tcp(at(name.clone(), 80)));
        let grpc = |tls, service: &str| Address::Grpc {
            at: at(name.clone(), 443),
            tls,
            service: service.to_owned(),
        };
        assert_eq!(parsed("grpc://db:443/shop.Cart").1, grpc(false, "shop.Cart"));
        assert_eq!(parsed("grpcs://db:443").1, grpc(true, ""));
        let words = ["pg_isready", "-h", "a b", "c=d"].map(str::to_owned).to_vec();
        assert_eq!(parsed("exec:pg_isready -h 'a b' c=d"), (None, Address::Exec(words)));
    }

    #[test]
    fn user_password_and_query_may_be_secrets() {
        let secrets = parsed("http://adam:p%40ss@h/?token=a%20bc&v=1").1.secrets();
        for secret in ["adam", "p%40ss", "p@ss", "YWRhbTpwQHNz", "a%20bc", "a bc"] {
            assert!(secrets.contains(&secret.to_owned()), "{secret}: {secrets:?}");
        }
        assert!(!secrets.iter().any(|secret| secret.is_empty() || secret == "1"), "{secrets:?}");
        assert_eq!(parsed("tcp://db:5432").1.secrets(), Vec::<String>::new());
    }

    #[test]
    fn an_incomplete_address_is_an_error_with_a_hint() {
        assert!(error("tcp://db").contains("needs a host and a port, such as tcp://"));
        assert!(error("grpc://:5").contains("not a URL"));
        assert!(error("tcp://db:5/path").contains("only a host and a port"));
        assert!(error("grpc://u:p@db:5").contains("no password"));
        assert!(error("exec:").contains("no program"));
        assert!(error("exec:a 'b").contains("exec:"));
        assert!(error("ftp://h").contains("unknown scheme \"ftp\""));
    }
}
