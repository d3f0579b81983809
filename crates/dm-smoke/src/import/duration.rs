//! Durations as reports write them.

use std::time::Duration;

/// Parses a number of seconds, or a number with the unit `s` or `ms`. Returns zero if it is neither.
pub(super) fn parse(text: &str) -> Duration {
    let text = text.trim();
    match text.strip_suffix("ms") {
        Some(number) => of_number(number, 0.001),
        None => of_number(text.strip_suffix('s').unwrap_or(text), 1.0),
    }
}

/// Parses a number of milliseconds. Returns zero if it is none.
pub(super) fn parse_ms(text: &str) -> Duration {
    of_number(text, 0.001)
}

fn of_number(text: &str, unit: f64) -> Duration {
    let seconds = plain_number(text.trim()).parse::<f64>().unwrap_or_default() * unit;
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// The number with a point before its decimals, and without separators of thousands: runners write numbers as the
/// language of their machine does.
fn plain_number(text: &str) -> String {
    let decimal = match (text.rfind(','), text.rfind('.')) {
        (Some(comma), Some(point)) if comma > point => ',',
        // Thousands come in groups of three, and do not begin with a zero.
        (Some(comma), None)
            if text.matches(',').count() == 1
                && (text.len() - comma != 4 || matches!(text.get(..comma), Some("" | "0"))) =>
        {
            ','
        }
        _ => '.',
    };
    let kept =
        text.chars().filter(|c| *c == decimal || !matches!(c, ',' | '.' | '\'' | '_' | ' ' | '\u{a0}'));
    kept.map(|c| if c == decimal { '.' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_decimals_and_units() {
        let seconds = Duration::from_secs_f64;
        for (text, expected) in [
            ("1.5", 1.5),
            ("1,234.5", 1234.5),
            ("1,234,567.5", 1_234_567.5),
            ("1.234,5", 1234.5),
            ("1,234", 1234.0),
            ("0,123", 0.123),
            ("1,5", 1.5),
            ("1'234.5", 1234.5),
            ("1e-3", 0.001),
            ("40ms", 0.04),
            (" 2s ", 2.0),
            ("", 0.0),
            ("-1", 0.0),
            ("NaN", 0.0),
            ("soon", 0.0),
        ] {
            assert_eq!(parse(text), seconds(expected), "{text}");
        }
        assert_eq!(parse_ms("12.5"), seconds(0.0125));
    }
}
