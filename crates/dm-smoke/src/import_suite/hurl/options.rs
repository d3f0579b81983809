//! The options of an entry that change what is sent or awaited.

use toml::{Table, Value};

use crate::args::MAX_RETRIES;

/// What the options of an entry say besides what is in its tables.
#[derive(Debug, Default)]
pub(super) struct Options {
    /// `user`, as `name:password`.
    pub(super) user: Option<String>,
    /// `header`, each as `Name: value`.
    pub(super) headers: Vec<String>,
    /// Whether the entry is left out.
    pub(super) skip: bool,
    redirects: Option<i64>,
    follows: bool,
}

/// The redirects that Hurl follows at most by default, as far as a suite can.
const REDIRECTS: i64 = 20;

impl Options {
    /// Adds an option. `test` gets `timeout` and `retries`.
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
                let number: u32 = number.parse().map_err(|_| unknown())?;
                if number > MAX_RETRIES {
                    return Err(unknown());
                }
                test.insert("retries".to_owned(), Value::Integer(number.into()));
            }
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

    /// The redirects to follow.
    pub(super) fn redirects(&self) -> Option<i64> {
        self.follows.then(|| self.redirects.unwrap_or(REDIRECTS))
    }
}
