//! Templates: `{{token}}` is a value that an earlier test captured, `{{env.API_TOKEN}}` an environment variable and
//! `{{"{{"}}` two braces.

use std::collections::BTreeMap;

use common::env::Env;

use super::run_values::RunValues;

/// The values of a row of a test's table, by column. Templates insert them as `{{row.NAME}}`.
pub(crate) type Row = BTreeMap<String, String>;

/// What is known before a run.
#[derive(Clone, Copy)]
pub(crate) struct Constants<'a> {
    /// Looks up environment variables.
    pub(crate) env: &'a Env<'a>,
    /// The row of the test's table.
    pub(crate) row: Option<&'a Row>,
    /// The values of the run.
    pub(crate) run: &'a RunValues,
}

/// Captured values, by name.
pub(crate) type Values = BTreeMap<String, String>;

/// A parsed template. Its environment variables are already replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// The value of an environment variable.
    Known(String),
    /// The value of a row of the test's table, or of the run.
    Constant(String),
    Captured(String),
}

impl Template {
    /// Parses a template. The value of every environment variable is added to `secrets`: users keep secrets out of the
    /// file.
    ///
    /// # Errors
    ///
    /// If `{{` is not closed, a name is invalid or not a column of the table, or an environment variable is not set.
    pub(crate) fn parse(
        text: &str,
        constants: Constants<'_>,
        secrets: &mut Vec<String>,
    ) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            pieces.push(Piece::Text(before.to_owned()));
            let (inside, after) =
                after.split_once("}}").ok_or("{{ without }}; write two braces as {{\"{{\"}}")?;
            pieces.push(match inside.trim() {
                "\"{{\"" => Piece::Text("{{".to_owned()),
                name => match name.split_once('.') {
                    Some(("row", column)) => Piece::Constant(cell(column, constants.row)?),
                    Some(("run", name)) => Piece::Constant(constants.run.get(name)?),
                    Some(("env", variable)) => {
                        let value = (constants.env)(variable).ok_or_else(|| {
                            format!("the environment variable {variable} is not set, or empty")
                        })?;
                        secrets.push(value.clone());
                        Piece::Known(value)
                    }
                    _ => Piece::Captured(value_name(name)?),
                },
            });
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        pieces.retain(|piece| *piece != Piece::Text(String::new()));
        Ok(Self(pieces))
    }

    /// Puts a text before the template.
    #[must_use]
    pub(crate) fn prefixed_with(mut self, text: &str) -> Self {
        self.0.insert(0, Piece::Text(text.to_owned()));
        self
    }

    /// The names of the captured values that it uses.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Captured(name) => Some(name.as_str()),
            Piece::Text(_) | Piece::Known(_) | Piece::Constant(_) => None,
        })
    }

    /// Whether it is the empty text.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it inserts any value that is not in the suite.
    pub(crate) fn has_values(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Known(_) | Piece::Captured(_)))
    }

    /// Whether the template starts with a captured value.
    pub(crate) fn starts_with_value(&self) -> bool {
        matches!(self.0.first(), Some(Piece::Captured(_)))
    }

    /// The text with each captured value encoded by `encode`. Missing values are left out.
    pub(crate) fn render_with(&self, values: &Values, encode: impl Fn(&str) -> String) -> String {
        self.render_pieces(values, str::to_owned, encode)
    }

    /// The text with each captured value and each variable encoded by `encode`.
    pub(crate) fn render_all_with(&self, values: &Values, encode: impl Fn(&str) -> String) -> String {
        self.render_pieces(values, &encode, &encode)
    }

    fn render_pieces(
        &self,
        values: &Values,
        encode_known: impl Fn(&str) -> String,
        encode_captured: impl Fn(&str) -> String,
    ) -> String {
        self.0
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.clone(),
                Piece::Known(value) => encode_known(value),
                Piece::Constant(value) => encode_captured(value),
                Piece::Captured(name) => {
                    values.get(name).map(|value| encode_captured(value)).unwrap_or_default()
                }
            })
            .collect()
    }

    /// The text with the captured values as they are.
    pub(crate) fn render(&self, values: &Values) -> String {
        self.render_with(values, str::to_owned)
    }
}

fn cell(column: &str, row: Option<&Row>) -> Result<String, String> {
    let row = row.ok_or_else(|| format!("{{{{row.{column}}}}} needs each, a table with this column"))?;
    row.get(column).cloned().ok_or_else(|| {
        let columns: Vec<&str> = row.keys().map(String::as_str).collect();
        format!(
            "the table has no column {}, only {}",
            http_expect::excerpt::bounded(column),
            columns.join(", ")
        )
    })
}

/// Checks the name of a captured value: ASCII letters, digits and `_`, not starting with a digit.
pub(crate) fn value_name(name: &str) -> Result<String, String> {
    let is_valid = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_valid {
        return Ok(name.to_owned());
    }
    Err(format!(
        "`{}` is not the name of a captured value; use letters, digits and _, such as {{{{token}}}}, or \
         {{{{env.API_TOKEN}}}} for an environment variable; write two braces as {{{{\"{{{{\"}}}}",
        http_expect::excerpt::bounded(name)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    fn parse(text: &str) -> Result<(Template, Vec<String>), String> {
        let mut secrets = Vec::new();
        let env = |name: &str| (name == "KEY").then(|| "s3cret".to_owned());
        let row = Row::from([("n".to_owned(), "1 2".to_owned())]);
        let constants = Constants { env: &env, row: Some(&row), run: &RunValues::default() };
        Template::parse(text, constants, &mut secrets).map(|template| (template, secrets))
    }

    #[test]
    fn values_and_variables_are_inserted() {
        let (template, secrets) = parse("/{{ a }}/{{env.KEY}}?{{\"{{\"}}}}{{b}}").unwrap();
        let values = Values::from([("a".to_owned(), "x y".to_owned()), ("b".to_owned(), "{{a}}".to_owned())]);
        // Braces in a captured value stay as they are.
        assert_eq!(template.render(&values), "/x y/s3cret?{{}}{{a}}");
        assert_eq!(template.render_with(&values, |value| value.replace(' ', "+")), "/x+y/s3cret?{{}}{{a}}");
        assert_eq!(template.names().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(secrets, ["s3cret"]);
        assert!(!template.starts_with_value() && parse("{{a}}").unwrap().0.starts_with_value());
    }

    #[test]
    fn cells_are_inserted_and_encoded() {
        let (template, secrets) = parse("/{{row.n}}").unwrap();
        assert_eq!(template.render_with(&Values::new(), |value| value.replace(' ', "+")), "/1+2");
        assert!(secrets.is_empty() && !template.has_values());
        let nothing = Constants { env: &|_| None, row: None, run: &RunValues::default() };
        assert_eq!(parse("{{run.id}}").unwrap().0.render(&Values::new()), "");
        assert_eq!(parse("{{row.x}}").unwrap_err(), "the table has no column x, only n");
        let without = Template::parse("{{row.x}}", nothing, &mut Vec::new()).unwrap_err();
        assert_eq!(without, "{{row.x}} needs each, a table with this column");
    }

    #[test]
    fn invalid_templates_are_refused() {
        assert!(parse("{{a").unwrap_err().contains("{{ without }}"));
        assert!(parse("{{a b}}").unwrap_err().starts_with("`a b` is not the name"));
        assert!(parse("{{}}").unwrap_err().contains("two braces as {{\"{{\"}}"));
        assert!(parse("{{env.NO}}").unwrap_err().contains("variable NO is not set"));
    }

    proptest! {
        #[test]
        fn a_text_without_braces_is_itself(text in "[^{}]{0,40}") {
            prop_assert_eq!(parse(&text).unwrap().0.render(&Values::new()), text);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,20}|[{}a \".]{0,30}|\\{\\{env\\.\\PC{0,8}\\}\\}") {
            let _ = parse(&text);
        }
    }
}
