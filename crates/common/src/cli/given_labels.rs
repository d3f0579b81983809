//! Labels that were given and are none: on the command line that is wrong usage; a variable may come from a CI system, and
//! must not stop the work.

use clap::ArgMatches;
use clap::parser::ValueSource;

use crate::args::read_label;
use crate::label::Label;

/// The flags for labels of the deployment: the name to clap, the flag, and its variable.
const FLAGS: [(&str, &str, &str); 6] = [
    ("service", "--service <NAME>", "DM_SERVICE"),
    ("environment", "--environment <NAME>", "DM_ENVIRONMENT"),
    ("deployment_id", "--deployment-id <ID>", "DM_DEPLOYMENT_ID"),
    ("app_version", "--app-version <VERSION>", "DM_VERSION"),
    ("commit", "--commit <HASH>", "DM_COMMIT"),
    ("run_url", "--run-url <URL>", "DM_RUN_URL"),
];

/// A warning for each variable whose value is recorded in another form.
///
/// # Errors
/// A flag on the command line has a value that is no label.
pub(super) fn check(matches: &ArgMatches) -> Result<Vec<String>, String> {
    let mut warnings = Vec::new();
    for (id, flag, variable) in FLAGS {
        let Ok(Some(mut values)) = matches.try_get_raw(id) else { continue };
        let Some(value) = values.next() else { continue };
        let text = value.to_string_lossy();
        let problem = match value.to_str().map(|text| text.trim().parse::<Label>()) {
            _ if text.trim().is_empty() => continue,
            Some(Ok(_)) => continue,
            Some(Err(problem)) => problem,
            None => "is not UTF-8".to_owned(),
        };
        if matches.value_source(id) == Some(ValueSource::CommandLine) {
            return Err(format!("invalid value '{text}' for '{flag}': {problem}"));
        }
        if let Some(label) = read_label(value).0 {
            warnings.push(format!("{variable} {problem}; it is recorded as {}", label.as_str()));
        }
    }
    Ok(warnings)
}
