//! The verdict in the records of a finished run.

use assert_cmd::assert::Assert;
use serde_json::Value;

/// The verdict on stdout.
pub(crate) fn verdict(assert: &Assert) -> Value {
    let text = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.into_iter().find(|record| record["type"] == "verdict").unwrap()
}
