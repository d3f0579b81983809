//! Attributes: names and values.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};

/// Attributes, in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct Attributes(Vec<KeyValue>);

impl Attributes {
    pub(crate) fn text(self, name: &str, value: &str) -> Self {
        self.with(name, Value::StringValue(value.to_owned()))
    }

    /// Adds a text, if there is one.
    pub(crate) fn some_text(self, name: &str, value: Option<&impl ToString>) -> Self {
        match value {
            Some(value) => self.text(name, &value.to_string()),
            None => self,
        }
    }

    pub(crate) fn count(self, name: &str, value: u64) -> Self {
        self.with(name, Value::IntValue(i64::try_from(value).unwrap_or(i64::MAX)))
    }

    /// Adds a number, if there is one.
    pub(crate) fn number(self, name: &str, value: Option<f64>) -> Self {
        match value.filter(|value| value.is_finite()) {
            Some(value) => self.with(name, Value::DoubleValue(value)),
            None => self,
        }
    }

    pub(crate) fn into_vec(self) -> Vec<KeyValue> {
        self.0
    }

    fn with(mut self, name: &str, value: Value) -> Self {
        self.0.push(KeyValue {
            key: name.to_owned(),
            value: Some(AnyValue { value: Some(value) }),
            ..KeyValue::default()
        });
        self
    }
}

/// A text as a value.
pub(crate) fn text(text: &str) -> AnyValue {
    AnyValue { value: Some(Value::StringValue(text.to_owned())) }
}
