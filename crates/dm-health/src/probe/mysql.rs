//! Asks a MySQL or MariaDB server whether it is ready: with a login and a ping, or, without a user, as `mysqladmin ping`.

use std::net::SocketAddr;

use common::env;
use common::event::Reason;
use common::tls::provider;
use http_expect::excerpt::bounded;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, DriverError, Error, IoError, OptsBuilder, SslOpts};
use tokio_rustls::rustls;

use crate::address::{Database, DatabaseKind};
use crate::failure::Failure;

/// `ER_ACCESS_DENIED_ERROR` and `ER_ACCESS_DENIED_NO_PASSWORD_ERROR`: the answers of a server that is ready.
const ACCESS_DENIED: [u16; 2] = [1045, 1698];

/// Checks that the server at `address` is ready. Each probe ends its login: of connections that only come and go, the
/// server blocks a client after a hundred.
pub(super) async fn check(address: SocketAddr, database: &Database) -> Result<(), Failure> {
    let ssl = database.tls.then(|| {
        // The driver uses the installed provider; a second installation is ignored.
        let _ = provider().install_default();
        match env::system("SSL_CERT_FILE") {
            Some(file) => SslOpts::default()
                .with_root_certs(vec![std::path::PathBuf::from(file).into()])
                .with_disable_built_in_roots(true),
            None => SslOpts::default(),
        }
    });
    let host = database.at.host.to_string();
    let opts = OptsBuilder::default()
        .ip_or_hostname(host.trim_matches(['[', ']']))
        .resolved_ips(Some(vec![address.ip()]))
        .tcp_port(database.at.port)
        .user(database.user.clone())
        .pass(database.password.clone())
        .db_name(database.name.clone())
        .prefer_socket(false)
        .ssl_opts(ssl);
    let failed = |error| failure(error, address);
    match (Conn::new(opts).await, &database.user) {
        (Ok(mut connection), _) => {
            connection.ping().await.map_err(failed)?;
            // The answer came. How the server says goodbye does not matter.
            let _ = connection.disconnect().await;
            Ok(())
        }
        (Err(Error::Server(error)), None) if ACCESS_DENIED.contains(&error.code) => Ok(()),
        (Err(error), _) => Err(failed(error)),
    }
}

fn failure(error: Error, address: SocketAddr) -> Failure {
    let message = match error {
        // The driver has a kind for it, which it does not use.
        Error::Io(IoError::Io(error)) if matches!(error.get_ref(), Some(inner) if inner.is::<rustls::Error>()) =>
        {
            return Failure::no_tls(&error);
        }
        Error::Io(IoError::Io(error)) => return Failure::not_connected(&error, address),
        Error::Io(IoError::Tls(error)) => {
            return Failure::new(Reason::Tls, format!("no TLS connection: {}", bounded(&error.to_string())));
        }
        Error::Driver(DriverError::NoClientSslFlagFromServer) => {
            return Failure::new(Reason::Tls, "the server does not speak TLS");
        }
        Error::Server(error) => {
            let hint = if ACCESS_DENIED.contains(&error.code) {
                format!("; the password is in the URL, or in {}", DatabaseKind::MySql.password_variable())
            } else {
                String::new()
            };
            format!("{} ({}){hint}", bounded(&error.message), error.code)
        }
        other => {
            return Failure::new(
                Reason::Other,
                format!("no complete response: {}", bounded(&other.to_string())),
            );
        }
    };
    Failure::new(Reason::BadStatus, message)
}
