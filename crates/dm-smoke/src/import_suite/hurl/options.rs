//! The options of an entry that change what is sent or awaited.

use std::time::Duration;

use toml::{Table, Value};

/// What the options of an entry say besides what is in its tables.
#[derive(Debug, Default)]
pub(super) struct Options {
    /// `user`, as `name:password`.
    pub(super) user: Option<String>,
    /// `header`, each as `Name: value`.
    pub(super) headers: Vec<String>,
    /// Whether the entry is left out.
    pub(super) skip: bool,
    /// How the server is reached, as words of the request.
    pub(super) http: Table,
    redirects: Option<i64>,
    follows: bool,
    retries: u32,
    retry_interval: Option<Duration>,
}

/// The redirects that Hurl follows at most by default, as far as a suite can.
const REDIRECTS: i64 = 20;

/// The time between two attempts, if an entry sets none.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

impl Options {
    /// Adds an option. `test` gets `timeout`.
    ///
    /// # Errors
    /// A suite cannot say it. The message says what.
    pub(super) fn add(&mut self, name: &str, value: &str, test: &mut Table) -> Result<(), String> {
        let unknown = || format!("the option {name}: {value}");
        match (name, value) {
            // They change nothing that is tested, or only say what a suite does anyway.
            (
                "verbose"
                | "very-verbose"
                | "verbosity"
                | "fail-with-body"
                | "http1.1"
                | "no-jsonpath-coercion",
                _,
            )
            | (
                "location" | "location-trusted" | "insecure" | "compressed" | "http2" | "skip" | "http3",
                "false",
            ) => {}
            ("location", "true") => self.follows = true,
            ("max-redirs", number) => {
                let number: i64 = number.parse().map_err(|_| unknown())?;
                if !(0..=REDIRECTS).contains(&number) {
                    return Err(unknown());
                }
                self.redirects = Some(number);
            }
            ("retry", number) => {
                // -1 is without an end, which a suite does not have.
                self.retries = number.parse().map_err(|_| unknown())?;
            }
            ("retry-interval", time) => {
                let time =
                    if time.ends_with(char::is_alphabetic) { time.to_owned() } else { format!("{time}ms") };
                self.retry_interval = Some(common::duration::parse_positive(&time).map_err(|_| unknown())?);
            }
            ("compressed", "true") => drop(self.http.insert("compressed".to_owned(), Value::Boolean(true))),
            ("http2", "true") => drop(self.http.insert("http_version".to_owned(), "2".into())),
            ("unix-socket", path) => drop(self.http.insert("unix_socket".to_owned(), path.into())),
            ("insecure", "true") => self.tls("insecure", true),
            ("cacert", path) => self.tls("ca", path),
            ("cert", path) if !path.contains(':') => self.tls("cert", path),
            ("key", path) => self.tls("key", path),
            ("max-time", time) => {
                // Seconds, if there is no unit.
                let time =
                    if time.ends_with(char::is_alphabetic) { time.to_owned() } else { format!("{time}s") };
                common::duration::parse_positive(&time).map_err(|_| unknown())?;
                test.insert("timeout".to_owned(), Value::String(time));
            }
            ("user", user) => self.user = Some(user.to_owned()),
            ("header", header) => self.headers.push(header.to_owned()),
            ("skip", "true") => self.skip = true,
            _ => return Err(unknown()),
        }
        Ok(())
    }

    fn tls(&mut self, name: &str, value: impl Into<Value>) {
        let tls = self.http.entry("tls").or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(tls) = tls {
            tls.insert(name.to_owned(), value.into());
        }
    }

    /// Adds how long the test is repeated until it passes: as often as Hurl would.
    pub(super) fn add_polling(&self, test: &mut Table) {
        if self.retries == 0 {
            return;
        }
        let interval = self.retry_interval.unwrap_or(RETRY_INTERVAL);
        let value = |time: Duration| Value::String(format!("{}ms", time.as_millis().max(1)));
        test.insert("until".to_owned(), value(interval.saturating_mul(self.retries)));
        test.insert("interval".to_owned(), value(interval));
    }

    /// The redirects to follow.
    pub(super) fn redirects(&self) -> Option<i64> {
        self.follows.then(|| self.redirects.unwrap_or(REDIRECTS))
    }
}
