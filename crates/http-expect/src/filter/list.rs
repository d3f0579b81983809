//! Filters of lists and of JSON.

use serde_json::Value;

use crate::datum::Datum;
use crate::json::JsonPath;

/// The most parts that a text is split into.
const MAX_PARTS: usize = 10_000;

fn items(value: &Datum) -> Result<&[Value], String> {
    match value {
        Datum::Json(Value::Array(items)) => Ok(items),
        _ => Err("the value is not a list".to_owned()),
    }
}

pub(super) fn count(value: &Datum) -> Result<Datum, String> {
    items(value).map(|items| Datum::Json(items.len().into()))
}

/// The item at an index from 0, or from -1 at the end.
pub(super) fn nth(value: &Datum, index: i64) -> Result<Datum, String> {
    let items = items(value)?;
    let from_start = usize::try_from(index).ok();
    let from_end = || items.len().checked_sub(usize::try_from(index.unsigned_abs()).ok()?);
    let item = from_start.or_else(from_end).and_then(|at| items.get(at));
    item.cloned().map(Datum::Json).ok_or_else(|| format!("the list has {} items", items.len()))
}

pub(super) fn split(value: &Datum, separator: &str) -> Result<Datum, String> {
    let text = value.text()?;
    let parts: Vec<Value> = text.split(separator).take(MAX_PARTS + 1).map(Value::from).collect();
    if parts.len() > MAX_PARTS {
        return Err(format!("the text has more than {MAX_PARTS} parts"));
    }
    Ok(Datum::Json(parts.into()))
}

pub(super) fn json(value: &Datum, path: &JsonPath) -> Result<Datum, String> {
    let parsed;
    let document = match value {
        Datum::Json(Value::String(_)) | Datum::Bytes(_) => {
            let not_json = |_| "the text is not JSON".to_owned();
            parsed = serde_json::from_slice(&value.bytes()?).map_err(not_json)?;
            &parsed
        }
        Datum::Json(document) => document,
    };
    let found = path.all(document).into_iter().cloned().map(Datum::Json).collect();
    Datum::collect(found).ok_or_else(|| "nothing found".to_owned())
}
