//! References inside of a description: `$ref: '#/components/…'`.

use serde_json::Value;

/// How many references may lead to each other.
const MAX_STEPS: usize = 16;

/// Follows the references of a description.
#[derive(Debug, Clone, Copy)]
pub(super) struct References<'a>(&'a Value);

impl<'a> References<'a> {
    /// Of this description.
    pub(super) fn new(document: &'a Value) -> Self {
        Self(document)
    }

    /// The description.
    pub(super) fn document(self) -> &'a Value {
        self.0
    }

    /// What a value refers to, or the value itself.
    ///
    /// # Errors
    /// The reference leads into another file, nowhere, or in a circle.
    pub(super) fn resolve(self, value: &'a Value) -> Result<&'a Value, String> {
        let mut value = value;
        for _ in 0..MAX_STEPS {
            let Some(reference) = value.get("$ref").and_then(Value::as_str) else { return Ok(value) };
            let pointer = reference.strip_prefix('#');
            let pointer =
                pointer.ok_or_else(|| format!("the reference {reference} leads into another file"))?;
            value =
                self.0.pointer(pointer).ok_or_else(|| format!("the reference {reference} leads nowhere"))?;
        }
        Err("references that lead in a circle".to_owned())
    }
}
