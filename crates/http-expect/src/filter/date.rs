//! Filters of dates.

use std::str::FromStr;

use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, Utc};

use super::bound::bounded;
use crate::datum::Datum;

/// A format of dates, in the letters of strftime such as `%Y-%m-%d`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DateFormat(String);

impl FromStr for DateFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if StrftimeItems::new(text).any(|item| item == Item::Error) {
            return Err("not a format of dates such as \"%Y-%m-%d %H:%M:%S\"".to_owned());
        }
        Ok(Self(text.to_owned()))
    }
}

pub(super) fn format(value: &Datum, format: &DateFormat) -> Result<Datum, String> {
    let text = value.text()?;
    let text = text.trim();
    let date = DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_rfc2822(text));
    let date = date.map_err(|_| "the text is not a date such as 2030-01-31T12:00:00Z".to_owned())?;
    bounded(date.to_utc().format(&format.0).to_string())
}

pub(super) fn parse(value: &Datum, DateFormat(format): &DateFormat) -> Result<Datum, String> {
    let text = value.text()?;
    let zoned = || DateTime::parse_from_str(&text, format).ok().map(|date| date.to_utc());
    let local = || NaiveDateTime::parse_from_str(&text, format).ok().map(|date| date.and_utc());
    let day = || NaiveDate::parse_from_str(&text, format).ok();
    let day = || day().map(|date| date.and_time(NaiveTime::MIN).and_utc());
    let date: Option<DateTime<Utc>> = zoned().or_else(local).or_else(day);
    let date = date.ok_or("the text is not a date in this format")?;
    Ok(date.to_rfc3339_opts(SecondsFormat::AutoSi, true).into())
}
