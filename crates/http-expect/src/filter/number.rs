//! Filters that make numbers.

use serde_json::{Number, Value};

use crate::datum::Datum;

const NOT_A_NUMBER: &str = "the value is not a number";

pub(super) fn integer(value: &Datum) -> Result<Datum, String> {
    let text = value.text()?;
    let text = text.trim();
    if let Ok(integer) = text.parse::<i64>() {
        return Ok(Datum::Json(integer.into()));
    }
    if let Ok(integer) = text.parse::<u64>() {
        return Ok(Datum::Json(integer.into()));
    }
    // Of a number with a fraction, which only JSON can contain, what is before the point.
    let float = match value {
        Datum::Json(Value::Number(number)) => number.as_f64(),
        _ => None,
    };
    let whole = float.map(|float| format!("{:.0}", float.trunc())).and_then(|text| text.parse::<i64>().ok());
    whole.map(|integer| Datum::Json(integer.into())).ok_or_else(|| "the value is not an integer".to_owned())
}

pub(super) fn float(value: &Datum) -> Result<Datum, String> {
    let float: f64 = value.text()?.trim().parse().map_err(|_| NOT_A_NUMBER.to_owned())?;
    // JSON has neither an infinity nor a NaN.
    Number::from_f64(float).map(|number| Datum::Json(number.into())).ok_or_else(|| NOT_A_NUMBER.to_owned())
}
