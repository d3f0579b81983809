//! A test's `each`: the rows of a table, for each of which the test runs once.

use std::path::Path;

use common::fs::bounded;
use toml::de::DeValue;

use super::fields::{self, Value};
use super::reader::TestReader;
use super::template::{Row, value_name};

/// The most rows of a table.
const MAX_ROWS: usize = 10_000;

/// The largest table, in bytes.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Reads the rows; `None` if the test has no `each`, or after an error.
pub(crate) fn read(test: &Value<'_>, reader: &mut TestReader<'_>) -> Option<Vec<Row>> {
    let each = test.get_ref().as_table()?.iter().find(|(key, _)| key.get_ref() == "each")?.1;
    let errors = reader.diagnostics.len();
    let rows = match each.get_ref() {
        DeValue::String(_) => {
            let path = reader.path(each)?;
            reader.diagnostics.unwrap_or_report(each.span(), from_csv(&path))?
        }
        DeValue::Array(list) => list.iter().filter_map(|row| inline(row, reader)).collect(),
        _ => {
            let form =
                "an array of tables such as { user = \"alice\", status = 200 }, or the path of a CSV file";
            return fields::mistyped(each, form, reader.diagnostics);
        }
    };
    if rows.is_empty() && reader.diagnostics.len() == errors {
        reader.diagnostics.report(each.span(), "the table has no rows, so that the test would never run");
    }
    (reader.diagnostics.len() == errors).then_some(rows)
}

fn inline(row: &Value<'_>, reader: &mut TestReader<'_>) -> Option<Row> {
    let form = "a table such as { user = \"alice\", status = 200 }";
    let Some(table) = row.get_ref().as_table() else {
        return fields::mistyped(row, form, reader.diagnostics);
    };
    let mut values = Row::new();
    for (name, value) in table {
        let name = reader.diagnostics.unwrap_or_report(name.span(), column(name.get_ref()))?;
        let text = match value.get_ref() {
            DeValue::String(_) => {
                let text = fields::text(value, "a string", reader.diagnostics)?;
                reader.constant(&text)?
            }
            DeValue::Integer(_) => fields::integer(value)?.to_string(),
            DeValue::Float(number) => number.as_str().replace('_', ""),
            DeValue::Boolean(boolean) => boolean.to_string(),
            _ => return fields::mistyped(value, "a string, a number or a boolean", reader.diagnostics),
        };
        values.insert(name, text);
    }
    Some(values)
}

/// Reads a CSV file (RFC 4180). Its first line names the columns.
fn from_csv(path: &Path) -> Result<Vec<Row>, String> {
    let failed = |why: String| format!("{}: {why}", path.display());
    let text = bounded::read_regular_text(path, MAX_BYTES).map_err(|error| failed(error.to_string()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let columns = reader.headers().map_err(|error| failed(error.to_string()))?;
    let columns: Vec<String> = columns.iter().map(column).collect::<Result<_, _>>().map_err(failed)?;
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| failed(error.to_string()))?;
        if rows.len() >= MAX_ROWS {
            return Err(failed(format!("more than {MAX_ROWS} rows")));
        }
        rows.push(columns.iter().cloned().zip(record.iter().map(str::to_owned)).collect());
    }
    Ok(rows)
}

fn column(name: &str) -> Result<String, String> {
    value_name(name.trim()).map_err(|_| {
        format!(
            "`{}` is not the name of a column; use letters, digits and _, not starting with a digit",
            http_expect::excerpt::bounded(name)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &[u8]) -> Result<Vec<Row>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        common::fs::atomic::write(&path, text).unwrap();
        from_csv(&path).map_err(|error| error.replace(&folder.path().display().to_string(), ""))
    }

    #[test]
    fn a_csv_file_has_columns_and_rows() {
        let rows = table("\u{feff}user, status\n\"a \"\"b\"\",\nc\",200\nd,404\n".as_bytes()).unwrap();
        let row = |user: &str, status: &str| {
            Row::from([("user".to_owned(), user.to_owned()), ("status".to_owned(), status.to_owned())])
        };
        assert_eq!(rows, [row("a \"b\",\nc", "200"), row("d", "404")]);
        assert!(table(b"a,b\n1\n").unwrap_err().contains("found record with 1 fields"));
        assert!(table(b"a b\n1\n").unwrap_err().starts_with("/t.csv: `a b` is not the name of a column"));
        assert!(table(b"\xff\n").unwrap_err().contains("UTF-8"));
        assert_eq!(table(b""), Ok(Vec::new()));
    }
}
