//! Environment variables, as a parameter: tests pass a table.

use std::ffi::OsString;

/// Looks up a variable: in the process's environment, or in a test's table.
pub type Env<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Looks up a variable in the process's environment. An empty variable, or one that is not UTF-8, counts as absent: CI
/// systems set unknown values to an empty string.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the real environment")]
pub fn system(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The names of all variables of the process's environment, UTF-8 or not.
pub fn names() -> impl Iterator<Item = OsString> {
    std::env::vars_os().map(|(name, _)| name)
}

/// All UTF-8 variables of the process's environment.
pub fn all() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
