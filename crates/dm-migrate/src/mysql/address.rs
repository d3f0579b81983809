//! The address of a MySQL or MariaDB server, and the meaning of `ssl-mode` in its URL.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use mysql_async::{Opts, OptsBuilder, SslOpts};
use percent_encoding::percent_decode_str;
use url::Url;

/// A database, and how to connect to it.
#[derive(Clone)]
pub(crate) struct Address {
    /// The options of the connection.
    pub(crate) opts: Opts,
    /// A file with the trusted authorities, instead of those of the machine.
    pub(crate) authority: Option<PathBuf>,
    /// Whether to connect without TLS if the server does not support it.
    pub(crate) allow_plaintext: bool,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The options include the password.
        write!(f, "Address({}:{})", self.opts.ip_or_hostname(), self.opts.tcp_port())
    }
}

impl Address {
    /// Parses the part of a URL after its scheme. The error does not contain the URL.
    pub(crate) fn parse(rest: &str) -> Result<Self> {
        // golang-migrate writes the host as Go's driver does: tcp(HOST:PORT).
        let (before, go_socket) = rest.split_once("unix(").unwrap_or((rest, ""));
        let (go_socket, after) = go_socket.split_once(')').unwrap_or(("", ""));
        let plain = match go_socket {
            "" => rest.replacen("tcp(", "", 1).replacen(")/", "/", 1),
            _ => format!("{before}localhost{after}"),
        };
        // Without a host, it is this machine.
        let plain =
            plain.strip_prefix("///").map_or(plain.clone(), |database| format!("//localhost/{database}"));
        let url = Url::parse(&format!("mysql:{plain}")).ok().filter(Url::has_host);
        let url = url.context("is not a valid URL: write mysql://USER:PASSWORD@HOST:PORT/DATABASE")?;
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let parameter = |names: &[&str]| {
            let mut pairs = url.query_pairs();
            let pair = pairs.find(|(name, _)| names.contains(&&*name.to_lowercase().replace(['-', '_'], "")));
            pair.map(|(_, value)| value.into_owned()).filter(|value| !value.is_empty())
        };
        let user = Some(decode(url.username())).filter(|user| !user.is_empty());
        let database = decode(url.path().trim_start_matches('/'));
        let authority = parameter(&["sslca", "sslrootcert", "servercertificate"]).map(PathBuf::from);
        let mode = parameter(&["sslmode", "tls"]).unwrap_or_default().to_lowercase();
        let (ssl, allow_plaintext) = parse_ssl_mode(&mode, authority.clone())?;
        let opts = OptsBuilder::default()
            .ip_or_hostname(url.host_str().unwrap_or_default().trim_matches(['[', ']']))
            .tcp_port(url.port().unwrap_or(3306))
            .user(user.or_else(|| parameter(&["user"])))
            .pass(url.password().map(decode).or_else(|| parameter(&["password"])))
            .db_name(Some(database).filter(|name| !name.is_empty()))
            .socket(
                parameter(&["socket", "unixsocket"])
                    .or_else(|| Some(go_socket.to_owned()).filter(|it| !it.is_empty())),
            )
            .prefer_socket(false)
            .ssl_opts(ssl);
        Ok(Self { opts: opts.into(), authority, allow_plaintext })
    }
}

/// The meaning of `ssl-mode` to the server's own client: the TLS options, and whether to allow plaintext.
fn parse_ssl_mode(mode: &str, authority: Option<PathBuf>) -> Result<(Option<SslOpts>, bool)> {
    let unverified = || SslOpts::default().with_danger_accept_invalid_certs(true);
    let verified = match authority {
        Some(file) => SslOpts::default().with_root_certs(vec![file.into()]).with_disable_built_in_roots(true),
        None => SslOpts::default(),
    };
    Ok(match mode {
        "disabled" | "disable" | "false" => (None, false),
        "" | "preferred" | "prefer" => (Some(unverified()), true),
        "required" | "require" | "skip-verify" => (Some(unverified()), false),
        // The driver cannot verify the authority without the host, so verify_ca verifies both.
        "verify_ca" | "verify-ca" | "verify_identity" | "verify-full" | "true" => (Some(verified), false),
        _ => bail!(
            "has an unknown ssl-mode; known are disabled, preferred, required, verify_ca and verify_identity"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_formats_of_all_tools_are_accepted() {
        for text in [
            "//u:p%40@h:3307/d",
            "//u:p%40@tcp(h:3307)/d?multiStatements=true",
            "//h:3307/d?user=u&password=p%40",
        ] {
            let opts = Address::parse(text).unwrap().opts;
            let parts = (opts.user(), opts.pass(), opts.ip_or_hostname(), opts.tcp_port(), opts.db_name());
            assert_eq!(parts, (Some("u"), Some("p@"), "h", 3307, Some("d")), "{text}");
        }
        let socket = Address::parse("//root@localhost/d?unix_socket=/run/mysqld/mysqld.sock").unwrap();
        assert_eq!(socket.opts.socket(), Some("/run/mysqld/mysqld.sock"));
        for text in ["//root@unix(/run/my.sock)/d?x=y", "///d?socket=/run/my.sock"] {
            let opts = Address::parse(text).unwrap().opts;
            assert_eq!((opts.socket(), opts.db_name()), (Some("/run/my.sock"), Some("d")), "{text}");
        }
    }

    #[test]
    fn ssl_mode_has_the_meaning_of_the_server_s_client() {
        let ssl = |query: &str| {
            let address = Address::parse(&format!("//h/d?{query}")).unwrap();
            let options =
                address.opts.ssl_opts().map(|ssl| (ssl.accept_invalid_certs(), ssl.disable_built_in_roots()));
            (options, address.allow_plaintext)
        };
        assert_eq!(ssl(""), (Some((true, false)), true));
        assert_eq!(ssl("ssl-mode=DISABLED"), (None, false));
        assert_eq!(ssl("sslMode=REQUIRED"), (Some((true, false)), false));
        assert_eq!(ssl("ssl_mode=verify_ca&ssl-ca=/ca.pem"), (Some((false, true)), false));
        assert_eq!(ssl("ssl-mode=VERIFY_IDENTITY"), (Some((false, false)), false));
        assert_eq!(ssl("tls=true"), (Some((false, false)), false));
    }

    #[test]
    fn debug_output_does_not_show_the_password() {
        let address = Address::parse("//u:secret@h/d").unwrap();
        assert_eq!(format!("{address:?}"), "Address(h:3306)");
    }
}
