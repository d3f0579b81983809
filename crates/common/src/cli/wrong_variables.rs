//! Variables with a wrong value that only say how something is shown, recorded or reported. They are ignored, so that the
//! command runs and the service is judged.

use std::env;

use clap::error::ErrorKind;
use clap::{Command, Id};

use super::Tool;
use crate::env::names;

/// Those variables.
const IGNORABLE: [&str; 22] = [
    "DM_DASHBOARD_URL",
    "DM_ENVIRONMENT_URL",
    "DM_EXPORT",
    "DM_EXPORT_BUDGET",
    "DM_GITHUB",
    "DM_GITHUB_DEPLOYMENT",
    "DM_NOTIFY_ON",
    "DM_NOTIFY_TEMPLATE",
    "DM_NOTIFY_URL",
    "DM_OUTPUT",
    "DM_RUNBOOK_URL",
    "DM_STATE_DIR",
    "DM_SUMMARY",
    "DM_SUMMARY_LINE",
    "DM_TEXTFILE",
    "PUSHGATEWAY_CA",
    "PUSHGATEWAY_CERT",
    "PUSHGATEWAY_HEADERS",
    "PUSHGATEWAY_PASSWORD",
    "PUSHGATEWAY_TOKEN",
    "PUSHGATEWAY_URL",
    "PUSHGATEWAY_USER",
];

/// A variable that nobody sets: a flag that reads it has no variable.
const UNSET: &str = "DM_UNSET_VARIABLE";

/// A command line that parses if some variables are ignored.
#[derive(Debug)]
pub(super) struct Ignoring {
    /// The same command, without these variables.
    pub(super) command: Command,
    /// The variables, and what is wrong with each.
    pub(super) wrong: Vec<(String, clap::Error)>,
}

/// The command without the variables that keep its command line from parsing; `None` if something else is wrong.
pub(super) fn ignoring(tool: Tool, command: &Command, error: &clap::Error) -> Option<Ignoring> {
    if !matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::ValueValidation | ErrorKind::InvalidUtf8)
    {
        return None;
    }
    let given: Vec<(Id, String)> = command
        .get_arguments()
        .filter_map(|argument| {
            let variable = argument.get_env()?.to_str()?;
            // The state directory has the ledger, which a verdict needs.
            let is_ignorable = IGNORABLE.contains(&variable) && (tool.wrapper || variable != "DM_STATE_DIR");
            let is_given = is_ignorable && names().any(|name| name == variable);
            is_given.then(|| (argument.get_id().clone(), variable.to_owned()))
        })
        .collect();
    let without = |is_ignored: &dyn Fn(&Id) -> bool| {
        let ids = given.iter().map(|(id, _)| id).filter(|id| is_ignored(id));
        ids.fold(command.clone(), |command, id| command.mut_arg(id, |argument| argument.env(UNSET)))
    };
    let parse = |mut command: Command| command.try_get_matches_from_mut(env::args_os());
    parse(without(&|_| true)).ok()?;
    let wrong: Vec<(&Id, String, clap::Error)> = given
        .iter()
        .filter_map(|(id, variable)| {
            let error = parse(without(&|other| other != id)).err()?;
            Some((id, variable.clone(), error))
        })
        .collect();
    let command = without(&|id| wrong.iter().any(|(wrong, ..)| *wrong == id));
    Some(Ignoring { command, wrong: wrong.into_iter().map(|(_, name, error)| (name, error)).collect() })
}
