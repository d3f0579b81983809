//! Texts with values to be filled in: `{{token}}` is what a test before this one captured, `{{env.API_TOKEN}}` a variable
//! of the environment, `{{"{{"}}` two braces.

use std::collections::BTreeMap;

use common::env::Env;

/// What was captured, by name.
pub(crate) type Values = BTreeMap<String, String>;

/// A text, its variables of the environment already filled in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Captured(String),
}

impl Template {
    /// Reads a template. Every variable's value is added to `secrets`: what is kept out of the file is one.
    pub(crate) fn parse(text: &str, env: &Env<'_>, secrets: &mut Vec<String>) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            pieces.push(Piece::Text(before.to_owned()));
            let (inside, after) =
                after.split_once("}}").ok_or("{{ without }}; two braces are written as {{\"{{\"}}")?;
            pieces.push(match inside.trim() {
                "\"{{\"" => Piece::Text("{{".to_owned()),
                name => match name.strip_prefix("env.") {
                    Some(variable) => {
                        let value = env(variable).ok_or_else(|| {
                            format!("the variable {variable} is not set in the environment, or is empty")
                        })?;
                        secrets.push(value.clone());
                        Piece::Text(value)
                    }
                    None => Piece::Captured(checked_name(name)?),
                },
            });
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        pieces.retain(|piece| *piece != Piece::Text(String::new()));
        Ok(Self(pieces))
    }

    /// The same with a text before it.
    #[must_use]
    pub(crate) fn behind(mut self, text: &str) -> Self {
        self.0.insert(0, Piece::Text(text.to_owned()));
        self
    }

    /// The names of the captured values in it.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Captured(name) => Some(name.as_str()),
            Piece::Text(_) => None,
        })
    }

    /// Whether the text begins with a captured value.
    pub(crate) fn begins_with_value(&self) -> bool {
        matches!(self.0.first(), Some(Piece::Captured(_)))
    }

    /// The text, each value written by `write`. A value that is not there is left out.
    pub(crate) fn fill(&self, values: &Values, write: impl Fn(&str) -> String) -> String {
        self.0
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.clone(),
                Piece::Captured(name) => values.get(name).map(|value| write(value)).unwrap_or_default(),
            })
            .collect()
    }

    /// The text, with the values as they are.
    pub(crate) fn plain(&self, values: &Values) -> String {
        self.fill(values, str::to_owned)
    }
}

/// The name of a captured value.
pub(crate) fn checked_name(name: &str) -> Result<String, String> {
    let fits = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if fits {
        return Ok(name.to_owned());
    }
    Err(format!(
        "`{}` is no name of a captured value, which is letters, digits and _, such as {{{{token}}}}, or \
         {{{{env.API_TOKEN}}}} for a variable; two braces are written as {{{{\"{{{{\"}}}}",
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
        Template::parse(text, &env, &mut secrets).map(|template| (template, secrets))
    }

    #[test]
    fn values_and_variables_are_filled_in() {
        let (template, secrets) = parse("/{{ a }}/{{env.KEY}}?{{\"{{\"}}}}{{b}}").unwrap();
        let values = Values::from([("a".to_owned(), "x y".to_owned()), ("b".to_owned(), "{{a}}".to_owned())]);
        // What was captured is no template.
        assert_eq!(template.plain(&values), "/x y/s3cret?{{}}{{a}}");
        assert_eq!(template.fill(&values, |value| value.replace(' ', "+")), "/x+y/s3cret?{{}}{{a}}");
        assert_eq!(template.names().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(secrets, ["s3cret"]);
        assert!(!template.begins_with_value() && parse("{{a}}").unwrap().0.begins_with_value());
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        assert!(parse("{{a").unwrap_err().contains("{{ without }}"));
        assert!(parse("{{a b}}").unwrap_err().starts_with("`a b` is no name"));
        assert!(parse("{{}}").unwrap_err().contains("written as {{\"{{\"}}"));
        assert!(parse("{{env.NO}}").unwrap_err().contains("variable NO is not set"));
    }

    proptest! {
        #[test]
        fn a_text_without_braces_is_itself(text in "[^{}]{0,40}") {
            prop_assert_eq!(parse(&text).unwrap().0.plain(&Values::new()), text);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,20}|[{}a \".]{0,30}|\\{\\{env\\.\\PC{0,8}\\}\\}") {
            let _ = parse(&text);
        }
    }
}
