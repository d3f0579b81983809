//! Durations with a unit: `30s`, `1m30s`, `200ms`. A bare number is an error because it could mean anything.

use std::time::Duration;

/// The longest duration accepted: anything longer is a typing error, and could overflow a clock.
const LONGEST: Duration = Duration::from_hours(366 * 24);

/// Parses a duration with its unit. For use as a clap value parser.
pub fn parse(text: &str) -> Result<Duration, String> {
    let trimmed = text.trim();
    if !trimmed.is_empty() && trimmed.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return Err(format!("a duration needs a unit, such as {trimmed}s, {trimmed}ms or 1m30s"));
    }
    let duration = humantime::parse_duration(trimmed).map_err(|error| format!("{error}"))?;
    if duration > LONGEST {
        return Err("longer than a year".to_owned());
    }
    Ok(duration)
}

/// Like [`parse`], but rejects zero: a zero interval would spin and a zero limit would always fail.
pub fn parse_positive(text: &str) -> Result<Duration, String> {
    match parse(text)? {
        Duration::ZERO => Err("must be longer than zero".to_owned()),
        duration => Ok(duration),
    }
}

/// A duration to read, with the precision that matters: `41ms`, `8.1s`, `12m04s`, `2h05m`.
pub fn format_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{}ms", duration.as_millis()),
        1..60 => format!("{seconds}.{}s", duration.subsec_millis() / 100),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Parses how long to wait for others: empty, which means not at all, or such as `wait 10m`.
///
/// # Errors
/// It is neither.
pub fn parse_wait(text: &str) -> Result<Duration, String> {
    match text.strip_prefix("wait").map_or(text, |rest| rest.trim_start_matches([' ', '='])) {
        "" => Ok(Duration::ZERO),
        wait => parse(wait),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_required() {
        assert_eq!(parse("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse("200ms"), Ok(Duration::from_millis(200)));
        assert_eq!(parse("0s"), Ok(Duration::ZERO));
        assert!(parse("30").unwrap_err().contains("needs a unit, such as 30s"));
        assert!(parse("").is_err());
        assert!(parse("-5s").is_err());
        assert!(parse("99999y").is_err());
        assert!(parse_positive("0s").is_err());
    }

    #[test]
    fn a_formatted_duration_has_the_digits_that_matter() {
        let shown = |ms| format_duration(Duration::from_millis(ms));
        assert_eq!(shown(41), "41ms");
        assert_eq!(shown(8_149), "8.1s");
        assert_eq!(shown(724_000), "12m04s");
        assert_eq!(shown(7_500_000), "2h05m");
    }
}
