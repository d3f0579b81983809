//! Secrets of the file: a suite names a variable of the environment instead.

use common::secrets::is_secret_name;

/// The variables that stand for secrets, with the values that they replace.
#[derive(Debug, Default)]
pub(super) struct Secrets(Vec<(String, String)>);

impl Secrets {
    /// The text, or a variable instead if `name` tells of a secret and the text is one: not empty, and not inserted already.
    pub(super) fn hide(&mut self, name: &str, text: &str) -> String {
        if is_secret_name(name) { self.hide_value(name, text) } else { text.to_owned() }
    }

    /// The same of a value that is always a secret, such as a password.
    pub(super) fn hide_value(&mut self, name: &str, text: &str) -> String {
        // "Bearer abc": the scheme is none.
        let (scheme, secret) = text.split_once(' ').unwrap_or(("", text));
        let (scheme, secret) =
            if is_scheme(scheme) { (format!("{scheme} "), secret) } else { (String::new(), text) };
        if secret.trim().is_empty() || secret.contains("{{") {
            return text.to_owned();
        }
        format!("{scheme}{{{{env.{}}}}}", self.variable(name, secret))
    }

    /// The variable for a value: the same for the same value.
    fn variable(&mut self, name: &str, value: &str) -> String {
        let base = variable_name(name);
        let known = self.0.iter().find(|(variable, known)| known == value && variable.starts_with(&base));
        if let Some((variable, _)) = known {
            return variable.clone();
        }
        let is_taken = |variable: &String| self.0.iter().any(|(taken, _)| taken == variable);
        let numbered = (2..).map(|number| format!("{base}_{number}"));
        let variable = [base.clone()].into_iter().chain(numbered).find(|variable| !is_taken(variable));
        let variable = variable.unwrap_or(base);
        self.0.push((variable.clone(), value.to_owned()));
        variable
    }

    /// The names of the variables.
    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(variable, _)| variable.as_str())
    }
}

fn is_scheme(word: &str) -> bool {
    ["basic", "bearer", "token", "apikey", "digest"].contains(&word.to_lowercase().as_str())
}

/// Variables that shells and CI systems set.
const TAKEN: [&str; 12] =
    ["CI", "HOME", "HOST", "HOSTNAME", "LANG", "LOGNAME", "PATH", "PWD", "SHELL", "TERM", "TZ", "USER"];

/// A name as that of a variable of the environment: `x-api-key` is `X_API_KEY`, and `petId` is `PET_ID`.
pub(super) fn variable_name(name: &str) -> String {
    let mut variable = String::new();
    let mut was_lower = false;
    for c in name.chars() {
        if c.is_ascii_uppercase() && was_lower {
            variable.push('_');
        }
        was_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
        variable.push(if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    }
    if variable.starts_with(|c: char| c.is_ascii_digit()) || variable.is_empty() {
        variable.insert(0, '_');
    }
    // These are set on every machine, to something that is not meant.
    if TAKEN.contains(&variable.as_str()) {
        variable.push_str("_VALUE");
    }
    variable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_becomes_a_variable_and_its_scheme_stays() {
        let mut secrets = Secrets::default();
        assert_eq!(secrets.hide("Authorization", "Bearer abc"), "Bearer {{env.AUTHORIZATION}}");
        assert_eq!(secrets.hide("Authorization", "Bearer abc"), "Bearer {{env.AUTHORIZATION}}");
        assert_eq!(secrets.hide("Authorization", "Bearer xyz"), "Bearer {{env.AUTHORIZATION_2}}");
        assert_eq!(secrets.hide("x-api-key", "k y"), "{{env.X_API_KEY}}");
        assert_eq!(secrets.hide("accept", "text/html"), "text/html");
        assert_eq!(secrets.hide("token", "{{env.X}}"), "{{env.X}}");
        assert_eq!(secrets.hide("token", ""), "");
        let variables: Vec<&str> = secrets.variables().collect();
        assert_eq!(variables, ["AUTHORIZATION", "AUTHORIZATION_2", "X_API_KEY"]);
        assert_eq!(variable_name("petId"), "PET_ID");
        assert_eq!(variable_name("2fa"), "_2FA");
    }
}
