//! Values that are the same in a whole run, and differ from those of other runs.

use chrono::{DateTime, SecondsFormat, Utc};
use common::identity::random_hex;

/// The values that templates insert as `{{run.NAME}}`.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunValues {
    /// A random UUID (RFC 9562, version 4).
    id: String,
    /// The time of the start (RFC 3339).
    time: String,
}

impl RunValues {
    /// The values of a run that starts at `now`.
    pub(crate) fn new(now: DateTime<Utc>) -> Self {
        Self { id: uuid(&random_hex(16)), time: now.to_rfc3339_opts(SecondsFormat::Secs, true) }
    }

    /// The value of this name.
    ///
    /// # Errors
    ///
    /// There is none.
    pub(crate) fn get(&self, name: &str) -> Result<String, String> {
        match name {
            "id" => Ok(self.id.clone()),
            "time" => Ok(self.time.clone()),
            _ => Err(format!(
                "there is no run.{}, only run.id and run.time",
                http_expect::excerpt::bounded(name)
            )),
        }
    }
}

/// Writes 32 hexadecimal digits as a UUID, with the version and the variant in their places.
fn uuid(hex: &str) -> String {
    let part = |from, to| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_two_runs_differ() {
        assert_eq!(uuid("00112233445566778899aabbccddeeff"), "00112233-4455-4677-a899-aabbccddeeff");
        let (one, other) = (RunValues::new(DateTime::UNIX_EPOCH), RunValues::new(DateTime::UNIX_EPOCH));
        assert_ne!(one.get("id"), other.get("id"));
        assert_eq!(one.get("time").unwrap(), "1970-01-01T00:00:00Z");
        assert!(one.get("x").unwrap_err().contains("only run.id and run.time"));
    }
}
