//! The environment, as something that can be passed in.

/// Where variables are looked up: the process's own environment, or a test's table.
pub type Env<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// The process's environment. A variable that is empty or not UTF-8 counts as absent:
/// CI systems set what they do not know to an empty string.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the real environment")]
pub fn system(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Every variable of the process's environment that is UTF-8.
pub fn all() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
