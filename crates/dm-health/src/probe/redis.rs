//! Asks a Redis server whether it is ready: `PING`, after the login. The protocol is RESP2, which all versions speak:
//! <https://redis.io/docs/latest/develop/reference/protocol-spec/>.

use common::event::Reason;
use http_expect::excerpt::{bounded, quoted};
use regex::bytes::Regex;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufStream};

use crate::address::{Database, DatabaseKind};
use crate::failure::Failure;

/// The longest line of a reply, in bytes.
const MAX_LINE: u64 = 4096;

/// The longest value of a key that is looked at, in bytes.
const MAX_VALUE: usize = 1024 * 1024;

/// Checks that the server is ready, and that the key is as expected.
pub(super) async fn check(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    database: &Database,
) -> Result<(), Failure> {
    let mut connection = Connection(BufStream::new(stream));
    if let Some(password) = &database.password {
        let user = database.user.as_deref();
        let words: Vec<&str> = ["AUTH"].into_iter().chain(user).chain([password.as_str()]).collect();
        connection.expect_ok("AUTH", &words).await?;
    }
    if let Some(number) = &database.name {
        connection.expect_ok("SELECT", &["SELECT", number]).await?;
    }
    connection.expect_ok("PING", &["PING"]).await?;
    let Some(key) = &database.key else { return Ok(()) };
    check_key(connection.command(&["GET", key]).await?, key, database.matches.as_deref())
}

fn check_key(reply: Reply, key: &str, matches: Option<&str>) -> Result<(), Failure> {
    let key = quoted(key);
    let value = match (reply, matches) {
        (Reply::Bulk(Some(value)), _) => value,
        (Reply::Bulk(None), _) => {
            return Err(Failure::new(Reason::BodyMismatch, format!("there is no key {key}")));
        }
        // It is a list, a hash or the like: it is there.
        (Reply::Error(error), None) if error.starts_with("WRONGTYPE") => return Ok(()),
        (reply, _) => return Err(unexpected("GET", &reply)),
    };
    match matches.map(Regex::new) {
        None => Ok(()),
        Some(Ok(regex)) if regex.is_match(&value) => Ok(()),
        Some(_) => {
            let expected = quoted(matches.unwrap_or_default());
            let message = format!("the value of the key {key} does not match {expected}");
            let response = quoted(&String::from_utf8_lossy(&value));
            Err(Failure { response, ..Failure::new(Reason::BodyMismatch, message) })
        }
    }
}

/// A reply of the server.
#[derive(Debug, PartialEq, Eq)]
enum Reply {
    /// A simple string, such as `PONG`, or a number.
    Simple(String),
    /// An error, such as `NOAUTH Authentication required.`
    Error(String),
    /// A value; `None` if there is none.
    Bulk(Option<Vec<u8>>),
}

struct Connection<S>(BufStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    async fn expect_ok(&mut self, name: &str, words: &[&str]) -> Result<(), Failure> {
        match self.command(words).await? {
            Reply::Simple(text) if matches!(text.as_str(), "OK" | "PONG") => Ok(()),
            reply => Err(unexpected(name, &reply)),
        }
    }

    async fn command(&mut self, words: &[&str]) -> Result<Reply, Failure> {
        let mut request = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            request.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
        }
        self.0.write_all(&request).await.map_err(|error| broken(&error))?;
        self.0.flush().await.map_err(|error| broken(&error))?;
        self.reply().await
    }

    async fn reply(&mut self) -> Result<Reply, Failure> {
        let mut line = Vec::new();
        let mut limited = (&mut self.0).take(MAX_LINE);
        limited.read_until(b'\n', &mut line).await.map_err(|error| broken(&error))?;
        if line.is_empty() {
            return Err(Failure::new(
                Reason::Other,
                "the connection was closed before the response was complete",
            ));
        }
        let text = String::from_utf8_lossy(&line);
        let not_redis =
            || Failure::new(Reason::Other, format!("not a Redis response: {}", quoted(text.trim_end())));
        let text = text.strip_suffix("\r\n").ok_or_else(not_redis)?;
        match text.split_at_checked(1) {
            Some(("+" | ":", rest)) => Ok(Reply::Simple(rest.to_owned())),
            Some(("-", rest)) => Ok(Reply::Error(rest.to_owned())),
            Some(("$", "-1")) => Ok(Reply::Bulk(None)),
            Some(("$", length)) => {
                let length: usize = length.parse().map_err(|_| not_redis())?;
                // The rest of a longer value is not looked at: it is the last that is asked for.
                let mut value = vec![0; length.min(MAX_VALUE)];
                self.0.read_exact(&mut value).await.map_err(|error| broken(&error))?;
                Ok(Reply::Bulk(Some(value)))
            }
            _ => Err(not_redis()),
        }
    }
}

fn broken(error: &std::io::Error) -> Failure {
    Failure::new(Reason::Other, format!("no complete response: {error}"))
}

fn unexpected(command: &str, reply: &Reply) -> Failure {
    let message = match reply {
        Reply::Error(error) if error.starts_with("NOAUTH") => format!(
            "the server asks for a password: give it in the URL, or in {}",
            DatabaseKind::Redis.password_variable()
        ),
        Reply::Error(error) => format!("{command} failed: {}", bounded(error)),
        Reply::Simple(text) => format!("{command} was answered with {}", quoted(text)),
        Reply::Bulk(_) => format!("{command} was answered with a value"),
    };
    Failure::new(Reason::BadStatus, message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a probe makes of a server that sends these bytes, whatever it is asked.
    fn probe(bytes: &[u8], url: &str) -> Result<(), String> {
        let crate::address::Address::Database(database) = url.parse().unwrap() else { panic!("{url}") };
        let (stream, mut server) = tokio::io::duplex(64 * 1024);
        let result = common::runtime::block_on(async {
            server.write_all(bytes).await.unwrap();
            let mut requests = server;
            // The server closes its side, and reads on.
            requests.shutdown().await.unwrap();
            check(stream, &database).await
        });
        result.unwrap().map_err(|failure| failure.message)
    }

    #[test]
    fn the_first_reply_that_is_not_expected_is_reported() {
        assert_eq!(probe(b"+PONG\r\n", "redis://h"), Ok(()));
        assert_eq!(
            probe(b"+OK\r\n+OK\r\n+PONG\r\n$2\r\nab\r\n", "redis://u:pw@h/1?key=k&matches=b$"),
            Ok(())
        );
        assert_eq!(probe(b"+PONG\r\n-WRONGTYPE x\r\n", "redis://h?key=k"), Ok(()));
        let error = |bytes: &[u8], url: &str| probe(bytes, url).unwrap_err();
        assert!(error(b"-NOAUTH x\r\n", "redis://h").contains("REDISCLI_AUTH"));
        assert_eq!(
            error(b"-LOADING Redis is loading\r\n", "redis://h"),
            "PING failed: LOADING Redis is loading"
        );
        assert_eq!(error(b"+PONG\r\n$-1\r\n", "redis://h?key=k"), "there is no key \"k\"");
        assert!(error(b"+PONG\r\n$1\r\na\r\n", "redis://h?key=k&matches=b").contains("does not match \"b\""));
        assert!(error(b"HTTP/1.1 400 Bad Request\r\n", "redis://h").contains("not a Redis response: \"HTTP"));
        assert!(error(b"", "redis://h").contains("closed before"));
        assert!(error(b"+PONG\r\n$9\r\na\r\n", "redis://h?key=k").contains("no complete response"));
        assert!(error(&[b'+'; 5000], "redis://h").contains("not a Redis response"));
    }

    proptest! {
        #[test]
        fn any_answer_is_read(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = probe(&bytes, "redis://h?key=k");
        }
    }
}
