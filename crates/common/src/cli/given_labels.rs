//! Labels that were given and are none: on the command line that is wrong usage; a variable may come from a CI system, and
//! must not stop the work.

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use crate::args::EmptyAsNone;
use crate::label::Label;

/// The flags for labels of the deployment, by their names to clap.
const FLAGS: [&str; 6] = ["service", "environment", "deployment_id", "app_version", "commit", "run_url"];

/// A warning for each variable whose value is recorded in another form.
///
/// # Errors
/// A flag on the command line has a value that is no label.
pub(super) fn check(command: &Command, matches: &ArgMatches) -> Result<Vec<String>, String> {
    let mut warnings = Vec::new();
    for flag in command.get_arguments().filter(|flag| FLAGS.contains(&flag.get_id().as_str())) {
        let id = flag.get_id().as_str();
        let Some(value) = matches.get_raw(id).and_then(|mut values| values.next()) else { continue };
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
        let recorded = matches.get_one::<EmptyAsNone<Label>>(id).and_then(|value| value.0.as_ref());
        if let (Some(variable), Some(label)) = (flag.get_env(), recorded) {
            let variable = variable.display();
            warnings.push(format!("{variable} {problem}; it is recorded as {}", label.as_str()));
        }
    }
    Ok(warnings)
}
