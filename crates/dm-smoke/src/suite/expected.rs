//! Expectations whose texts are templates: what is known when the suite is read, and what needs captured values.

use std::borrow::Cow;
use std::fmt;

use super::template::{Template, Values};

/// How an inserted value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// As it is.
    Plain,
    /// So that an expression matches it.
    Regex,
    /// As a part of a JSON string.
    Json,
    /// As a part of a JSON string with an expression.
    JsonRegex,
}

/// Adds an expectation, given its text with all values inserted.
type Add<T> = Box<dyn Fn(&str, &mut T) -> Result<(), String> + Send + Sync>;

/// The expectations of a test.
#[derive(Default)]
pub(crate) struct Expected<T> {
    /// What is known already.
    pub(crate) fixed: T,
    late: Vec<Late<T>>,
}

/// An expectation that needs captured values.
struct Late<T> {
    template: Template,
    encoding: Encoding,
    add: Add<T>,
}

impl<T: Clone> Expected<T> {
    /// Adds an expectation whose text is a template.
    ///
    /// # Errors
    ///
    /// If the text is not valid, whatever values are inserted.
    pub(crate) fn add(&mut self, template: Template, encoding: Encoding, add: Add<T>) -> Result<(), String> {
        if template.names().next().is_none() {
            return add(&encoding.render(&template, &Values::new()), &mut self.fixed);
        }
        // A captured value can be a number or a name. If neither fits, the text around it is wrong.
        let fits = |value: &str| {
            let values = template.names().map(|name| (name.to_owned(), value.to_owned())).collect();
            add(&encoding.render(&template, &values), &mut self.fixed.clone())
        };
        fits("1").or_else(|error| fits("a").map_err(|_| error))?;
        self.late.push(Late { template, encoding, add });
        Ok(())
    }

    /// All expectations, with the captured values inserted.
    ///
    /// # Errors
    ///
    /// If an inserted value makes an expectation invalid. The message contains the value.
    pub(crate) fn with(&self, values: &Values) -> Result<Cow<'_, T>, String> {
        if self.late.is_empty() {
            return Ok(Cow::Borrowed(&self.fixed));
        }
        let mut all = self.fixed.clone();
        for Late { template, encoding, add } in &self.late {
            add(&encoding.render(template, values), &mut all)?;
        }
        Ok(Cow::Owned(all))
    }
}

impl Encoding {
    /// That of values in an expectation of JSON.
    pub(crate) fn of_json(expectation: &str) -> Self {
        let is_regex = ["=~", "!~"].iter().any(|operator| expectation.contains(operator));
        if is_regex { Self::JsonRegex } else { Self::Json }
    }

    fn render(self, template: &Template, values: &Values) -> String {
        template.render_all_with(values, |value| match self {
            Self::Plain => value.to_owned(),
            Self::Regex => regex::escape(value),
            Self::Json => json_part(value),
            Self::JsonRegex => json_part(&regex::escape(value)),
        })
    }
}

/// The text as a part of a string, in JSON or in a JSONPath with either quotes.
pub(crate) fn json_part(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    json.trim_matches('"').replace('\'', "\\u0027")
}

impl<T: fmt::Debug> fmt::Debug for Expected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expected").field("fixed", &self.fixed).field("late", &self.late.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::suite::run_values::RunValues;
    use crate::suite::template::Constants;

    fn expected(text: &str, encoding: Encoding) -> Result<Expected<Vec<String>>, String> {
        let run = RunValues::default();
        let constants = Constants { env: &|_| None, row: None, run: &run };
        let template = Template::parse(text, constants, &mut Vec::new()).unwrap();
        let mut expected = Expected::default();
        let add: Add<Vec<String>> = Box::new(|text, all| {
            if text.contains("bad") {
                return Err(format!("{text} is bad"));
            }
            all.push(text.to_owned());
            Ok(())
        });
        expected.add(template, encoding, add).map(|()| expected)
    }

    #[test]
    fn values_are_inserted_when_they_are_known() {
        let fixed = expected("a.b", Encoding::Regex).unwrap();
        assert!(matches!(fixed.with(&Values::new()), Ok(Cow::Borrowed(list)) if list == &["a.b"]));
        let values = Values::from([("v".to_owned(), "1.\"'".to_owned())]);
        let rendered = |encoding| expected("x {{v}}", encoding).unwrap().with(&values).unwrap().into_owned();
        assert_eq!(rendered(Encoding::Plain), ["x 1.\"'"]);
        assert_eq!(rendered(Encoding::Regex), ["x 1\\.\"'"]);
        assert_eq!(rendered(Encoding::Json), ["x 1.\\\"\\u0027"]);
        assert_eq!(rendered(Encoding::JsonRegex), ["x 1\\\\.\\\"\\u0027"]);
    }

    #[test]
    fn an_invalid_text_is_found_as_early_as_possible() {
        assert_eq!(expected("bad", Encoding::Plain).unwrap_err(), "bad is bad");
        assert_eq!(expected("bad {{v}}", Encoding::Plain).unwrap_err(), "bad 1 is bad");
        let values = Values::from([("v".to_owned(), "bad".to_owned())]);
        assert!(expected("{{v}}", Encoding::Plain).unwrap().with(&values).is_err());
    }
}
