//! Where a MySQL or MariaDB is, and what its own client would make of the URL's `ssl-mode`.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use mysql_async::{Opts, OptsBuilder, SslOpts};
use percent_encoding::percent_decode_str;
use url::Url;

/// A database, and how to reach it.
#[derive(Clone)]
pub(crate) struct Address {
    /// For the connection.
    pub(crate) opts: Opts,
    /// The authorities in this file are trusted, instead of those of the machine.
    pub(crate) authority: Option<PathBuf>,
    /// Whether a server that speaks no TLS is good enough.
    pub(crate) or_plain: bool,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What the options hold includes the password.
        write!(f, "Address({}:{})", self.opts.ip_or_hostname(), self.opts.tcp_port())
    }
}

impl Address {
    /// From what follows the scheme of a URL. The error does not repeat it.
    pub(crate) fn parse(rest: &str) -> Result<Self> {
        // golang-migrate writes the host as Go's driver does: tcp(HOST:PORT).
        let plain = rest.replacen("tcp(", "", 1).replacen(")/", "/", 1);
        let url = Url::parse(&format!("mysql:{plain}")).ok().filter(Url::has_host);
        let url = url.context("cannot be read: write mysql://USER:PASSWORD@HOST:PORT/DATABASE")?;
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let parameter = |names: &[&str]| {
            let mut pairs = url.query_pairs();
            let found =
                pairs.find(|(name, _)| names.contains(&&*name.to_lowercase().replace(['-', '_'], "")));
            found.map(|(_, value)| value.into_owned()).filter(|value| !value.is_empty())
        };
        let user = Some(decoded(url.username())).filter(|user| !user.is_empty());
        let database = decoded(url.path().trim_start_matches('/'));
        let authority = parameter(&["sslca", "sslrootcert", "servercertificate"]).map(PathBuf::from);
        let mode = parameter(&["sslmode", "tls"]).unwrap_or_default().to_lowercase();
        let (ssl, or_plain) = meaning(&mode, authority.clone())?;
        let opts = OptsBuilder::default()
            .ip_or_hostname(url.host_str().unwrap_or_default().trim_matches(['[', ']']))
            .tcp_port(url.port().unwrap_or(3306))
            .user(user.or_else(|| parameter(&["user"])))
            .pass(url.password().map(decoded).or_else(|| parameter(&["password"])))
            .db_name(Some(database).filter(|name| !name.is_empty()))
            .socket(parameter(&["socket", "unixsocket"]))
            .prefer_socket(false)
            .ssl_opts(ssl);
        Ok(Self { opts: opts.into(), authority, or_plain })
    }
}

/// What the server's client makes of a mode; and whether no TLS will do.
fn meaning(mode: &str, authority: Option<PathBuf>) -> Result<(Option<SslOpts>, bool)> {
    let anyone = || SslOpts::default().with_danger_accept_invalid_certs(true);
    let trusted = match authority {
        Some(file) => SslOpts::default().with_root_certs(vec![file.into()]).with_disable_built_in_roots(true),
        None => SslOpts::default(),
    };
    Ok(match mode {
        "disabled" | "disable" | "false" => (None, false),
        "" | "preferred" | "prefer" => (Some(anyone()), true),
        "required" | "require" | "skip-verify" => (Some(anyone()), false),
        // The driver cannot verify the authority and not the host: the first is taken for both.
        "verify_ca" | "verify-ca" | "verify_identity" | "verify-full" | "true" => (Some(trusted), false),
        _ => bail!("has an unknown ssl-mode: disabled, preferred, required, verify_ca or verify_identity"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_s_way_to_write_a_url_is_read() {
        for text in [
            "//u:p%40@h:3307/d",
            "//u:p%40@tcp(h:3307)/d?multiStatements=true",
            "//h:3307/d?user=u&password=p%40",
        ] {
            let opts = Address::parse(text).unwrap().opts;
            let found = (opts.user(), opts.pass(), opts.ip_or_hostname(), opts.tcp_port(), opts.db_name());
            assert_eq!(found, (Some("u"), Some("p@"), "h", 3307, Some("d")), "{text}");
        }
        let socket = Address::parse("//root@localhost/d?unix_socket=/run/mysqld/mysqld.sock").unwrap();
        assert_eq!(socket.opts.socket(), Some("/run/mysqld/mysqld.sock"));
    }

    #[test]
    fn ssl_mode_means_what_it_means_to_the_server_s_client() {
        let ssl = |query: &str| {
            let address = Address::parse(&format!("//h/d?{query}")).unwrap();
            let found =
                address.opts.ssl_opts().map(|ssl| (ssl.accept_invalid_certs(), ssl.disable_built_in_roots()));
            (found, address.or_plain)
        };
        assert_eq!(ssl(""), (Some((true, false)), true));
        assert_eq!(ssl("ssl-mode=DISABLED"), (None, false));
        assert_eq!(ssl("sslMode=REQUIRED"), (Some((true, false)), false));
        assert_eq!(ssl("ssl_mode=verify_ca&ssl-ca=/ca.pem"), (Some((false, true)), false));
        assert_eq!(ssl("ssl-mode=VERIFY_IDENTITY"), (Some((false, false)), false));
        assert_eq!(ssl("tls=true"), (Some((false, false)), false));
    }

    #[test]
    fn the_password_is_not_shown() {
        let address = Address::parse("//u:secret@h/d").unwrap();
        assert_eq!(format!("{address:?}"), "Address(h:3306)");
    }
}
