//! What a part of a response should be, after filters.

use crate::body::TextCondition;
use crate::datum::Datum;
use crate::excerpt::{bounded, quoted};
use crate::json::JsonExpectation;
use crate::response::Response;
use crate::source::Source;

/// What is expected of a part of a response; each condition has to hold. Without conditions, the part has to be there.
#[derive(Debug, Clone)]
pub struct ValueExpectation {
    /// The part, and its filters.
    pub source: Source,
    /// Conditions on its text.
    pub text: Vec<TextCondition>,
    /// Conditions on it as JSON, in which it is the whole document.
    pub json: Vec<JsonExpectation>,
}

/// A part that is not what was expected.
#[derive(Debug)]
pub struct ValueMismatch<'a> {
    name: String,
    unmet: Unmet<'a>,
    actual: String,
}

#[derive(Debug)]
enum Unmet<'a> {
    /// There is no such value: the reason.
    Missing(String),
    Text(&'a TextCondition),
    Json(&'a JsonExpectation),
}

impl ValueExpectation {
    /// The conditions that a response does not meet.
    pub(crate) fn unmet<'a>(&'a self, response: &Response) -> Vec<ValueMismatch<'a>> {
        let mismatch = |unmet, actual: &str| ValueMismatch {
            name: self.source.name(),
            unmet,
            actual: actual.to_owned(),
        };
        let value = match self.source.value(response) {
            Ok(value) => value,
            Err(why) => return vec![mismatch(Unmet::Missing(why), "")],
        };
        let text = value.clone().into_text();
        let document = value.into_json();
        let shown = Datum::Json(document.clone()).into_text();
        let texts = self.text.iter().filter(|condition| !condition.is_met(text.as_bytes())).map(Unmet::Text);
        let json = self.json.iter().filter(|expected| expected.check(&document).is_err()).map(Unmet::Json);
        texts.chain(json).map(|unmet| mismatch(unmet, &shown)).collect()
    }
}

impl ValueMismatch<'_> {
    /// Whether [`Self::describe`] shows the value.
    pub(crate) fn is_shown(&self) -> bool {
        !matches!(self.unmet, Unmet::Missing(_))
    }

    /// The mismatch in one bounded line. The value is redacted before it is cut.
    pub(crate) fn describe(&self, redact: impl Fn(&str) -> String) -> String {
        let Self { name, unmet, actual } = self;
        let actual = || quoted(&redact(actual));
        match unmet {
            Unmet::Missing(why) => format!("{name}: {why}"),
            Unmet::Text(condition) => {
                let unmet = condition.describe_unmet(|text| quoted(&redact(text)));
                format!("{name} {unmet}: {}", actual())
            }
            Unmet::Json(expected) => {
                let expected = bounded(&redact(&expected.to_string()));
                format!("{name} is {}, expected {expected}", actual())
            }
        }
    }
}
