//! Asks a PostgreSQL server whether it is ready: as `pg_isready` does, or with a login and a query.
//! The messages: <https://www.postgresql.org/docs/current/protocol-message-formats.html>.

use std::error::Error as _;

use common::event::Reason;
use http_expect::excerpt::{bounded, quoted};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Config, Error, NoTls};

use crate::address::{Database, DatabaseKind};
use crate::failure::Failure;

/// The name of the probe in the server's lists.
const APPLICATION: &str = "dm-health";

/// The request for TLS: its length and its number.
const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// The version of the protocol: 3.0.
const PROTOCOL: [u8; 4] = [0, 3, 0, 0];

/// The longest message that is read, in bytes.
const MAX_MESSAGE: usize = 16 * 1024;

/// The class of errors about who may log in: they come from a server that is ready.
const NOT_AUTHORIZED: &str = "28";

/// Asks for TLS. The handshake follows.
pub(super) async fn begin_tls(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<(), Failure> {
    stream.write_all(&TLS_REQUEST).await.map_err(|error| broken(&error))?;
    match stream.read_u8().await.map_err(|error| broken(&error))? {
        b'S' => Ok(()),
        b'N' => Err(Failure::new(Reason::Tls, "the server does not speak TLS")),
        other => Err(not_postgres(&[other])),
    }
}

/// Checks that the server is ready: with a user, that it can log in and gets an answer to a query.
pub(super) async fn check(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    database: &Database,
) -> Result<(), Failure> {
    match &database.user {
        Some(user) => log_in(stream, database, user).await,
        None => greet(stream).await,
    }
}

async fn log_in(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    database: &Database,
    user: &str,
) -> Result<(), Failure> {
    let mut config = Config::new();
    // The connection is already encrypted, if it has to be.
    config.user(user).application_name(APPLICATION).ssl_mode(SslMode::Disable);
    config.dbname(database.name.as_deref().unwrap_or(user));
    if let Some(password) = &database.password {
        config.password(password);
    }
    let (client, connection) = config.connect_raw(stream, NoTls).await.map_err(|error| failure(&error))?;
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    client.simple_query("select 1").await.map_err(|error| failure(&error))?;
    // Takes leave, so that the server logs no lost connection.
    drop(client);
    driver.join_next().await;
    Ok(())
}

fn failure(error: &Error) -> Failure {
    if let Some(refusal) = error.as_db_error() {
        return refused(refusal.message(), refusal.code().code());
    }
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    // The driver has no kind for it.
    if cause.contains("password missing") {
        let variable = DatabaseKind::Postgres.password_variable();
        let message = format!("the server asks for a password: give it in the URL, or in {variable}");
        return Failure::new(Reason::BadStatus, message);
    }
    Failure::new(Reason::Other, format!("no complete response: {}", bounded(&format!("{error}{cause}"))))
}

fn refused(message: &str, code: &str) -> Failure {
    Failure::new(Reason::BadStatus, format!("{} ({})", bounded(message), bounded(code)))
}

/// Begins a login, and looks at the first message: a server that starts or stops sends an error.
async fn greet(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<(), Failure> {
    let parameters = format!("user\0{APPLICATION}\0application_name\0{APPLICATION}\0\0");
    let mut startup = Vec::new();
    let length = u32::try_from(4 + PROTOCOL.len() + parameters.len()).unwrap_or_default();
    startup.extend_from_slice(&length.to_be_bytes());
    startup.extend_from_slice(&PROTOCOL);
    startup.extend_from_slice(parameters.as_bytes());
    stream.write_all(&startup).await.map_err(|error| broken(&error))?;
    let mut head = [0; 5];
    stream.read_exact(&mut head).await.map_err(|error| broken(&error))?;
    let [kind, length @ ..] = head;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if !(4..=MAX_MESSAGE).contains(&length) {
        return Err(not_postgres(&head));
    }
    let mut body = vec![0; length - 4];
    stream.read_exact(&mut body).await.map_err(|error| broken(&error))?;
    match kind {
        // It asks for a password, or lets the user in.
        b'R' => Ok(()),
        b'E' => match (field(&body, b'M'), field(&body, b'C')) {
            (Some(_), Some(code)) if code.starts_with(NOT_AUTHORIZED) => Ok(()),
            (Some(message), Some(code)) => Err(refused(&message, &code)),
            _ => Err(not_postgres(&head)),
        },
        _ => Err(not_postgres(&head)),
    }
}

/// A field of an error message: each is a letter, a text and a zero.
fn field(body: &[u8], letter: u8) -> Option<String> {
    let mut fields = body.split(|byte| *byte == 0).filter_map(|field| field.split_first());
    let (_, text) = fields.find(|(name, _)| **name == letter)?;
    Some(String::from_utf8_lossy(text).into_owned())
}

fn broken(error: &std::io::Error) -> Failure {
    Failure::new(Reason::Other, format!("no complete response: {error}"))
}

fn not_postgres(beginning: &[u8]) -> Failure {
    let beginning = quoted(&String::from_utf8_lossy(beginning));
    Failure::new(Reason::Other, format!("not a PostgreSQL response: {beginning}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn greeted_with(bytes: &[u8]) -> Result<(), String> {
        let (stream, mut server) = tokio::io::duplex(64 * 1024);
        let result = common::runtime::block_on(async {
            server.write_all(bytes).await.unwrap();
            server.shutdown().await.unwrap();
            greet(stream).await
        });
        result.unwrap().map_err(|failure| failure.message)
    }

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[kind][..], &length, body].concat()
    }

    #[test]
    fn a_server_that_starts_is_not_ready() {
        let error = |code: &str| message(b'E', format!("SFATAL\0C{code}\0Mit is starting up\0\0").as_bytes());
        assert_eq!(greeted_with(&message(b'R', &[0, 0, 0, 10])), Ok(()));
        assert_eq!(greeted_with(&error("28000")), Ok(()));
        for code in ["57P03", "53300"] {
            assert_eq!(greeted_with(&error(code)), Err(format!("it is starting up ({code})")));
        }
        assert!(
            greeted_with(b"HTTP/1.1 400 Bad Request\r\n").unwrap_err().contains("not a PostgreSQL response")
        );
        assert!(greeted_with(b"").unwrap_err().contains("no complete response"));
    }

    proptest! {
        #[test]
        fn any_greeting_is_read(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = greeted_with(&bytes);
        }
    }
}
