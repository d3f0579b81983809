//! The `main` of every tool: arguments to plan, plan to exit code. The only place that reports errors.

mod given_labels;
mod wrong_variables;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use clap::error::{ContextKind, ErrorKind};

use crate::build_info;
use crate::exit::Exit;
use crate::label::MASK;
use crate::secrets::Redactor;
use crate::term::text::one_line;

/// What `main` needs to know about a tool.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    /// The name of the binary, such as `dm-stage`.
    pub name: &'static str,
    /// Whether the exit codes belong to a wrapped command. The tool then exits with 125 for its own faults.
    pub wrapper: bool,
}

impl Tool {
    fn usage(self) -> Exit {
        if self.wrapper { Exit::WrapperFault } else { Exit::Usage }
    }

    fn fault(self) -> Exit {
        if self.wrapper { Exit::WrapperFault } else { Exit::CouldNotJudge }
    }
}

/// The `main` of every tool: parses arguments, makes the plan, carries it out, returns the exit code. Writes errors to
/// stderr, once.
pub fn main<A: Parser, P>(tool: Tool, plan: fn(A) -> Result<P>, act: fn(P) -> Result<Exit>) -> ExitCode {
    std::panic::set_hook(Box::new(move |panic| {
        warn(tool.name, &[format!("internal error: {panic}; please report this")]);
    }));
    let exit = std::panic::catch_unwind(|| run(tool, plan, act)).unwrap_or(tool.fault());
    if let Exit::Signal(signal) = exit {
        die_by(signal);
    }
    ExitCode::from(exit.code())
}

fn run<A: Parser, P>(tool: Tool, plan: fn(A) -> Result<P>, act: fn(P) -> Result<Exit>) -> Exit {
    let args = match parse::<A>(tool) {
        Ok(args) => args,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            // Printing help to a closed pipe is not an error.
            let _ = error.print();
            return Exit::Success;
        }
        Err(error) => {
            let tip =
                if tool.wrapper { missing_separator(&error).unwrap_or_default() } else { String::new() };
            warn(tool.name, &[format!("{}{tip}; see {} --help", usage_error(&error), tool.name)]);
            return tool.usage();
        }
    };
    let (error, exit) = match plan(args) {
        Ok(plan) => match act(plan) {
            Ok(exit) => return exit,
            Err(error) => (error, tool.fault()),
        },
        Err(error) => (error, tool.usage()),
    };
    warn(tool.name, &[format!("{error:#}")]);
    exit
}

/// What `Parser::try_parse` does. `--version` names the commit and the target too; `-V` and the man pages do not, so that
/// the pages are the same for every build.
fn parse<A: Parser>(tool: Tool) -> std::result::Result<A, clap::Error> {
    let new_command = || A::command().long_version(build_info::VERSION);
    let mut command = new_command();
    let arguments = std::env::args_os;
    let mut ignored = Vec::new();
    let matches = match command.try_get_matches_from_mut(arguments()) {
        Err(error) => {
            let Some(ignoring) = wrong_variables::ignoring(tool, &new_command(), &error) else {
                return Err(error);
            };
            let wrong = ignoring.wrong.iter();
            ignored = wrong.map(|(name, error)| format!("{name} is ignored: {}", problem(error))).collect();
            command = ignoring.command;
            command.try_get_matches_from_mut(arguments())?
        }
        Ok(matches) => matches,
    };
    let labels = given_labels::check(&command, &matches);
    let labels = labels.map_err(|problem| command.error(ErrorKind::ValueValidation, problem))?;
    ignored.extend(labels);
    warn(tool.name, &ignored);
    A::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// What is wrong with the value of a variable.
fn problem(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::InvalidUtf8 { "it is not UTF-8".to_owned() } else { usage_error(error) }
}

/// clap's error in one line: its cause and its tips, without the usage text.
///
/// A value that may be a secret, or a URL with a password, is masked: the line ends up in a log.
fn usage_error(error: &clap::Error) -> String {
    const SECRETS: [&str; 6] = ["url", "secret", "token", "password", "header", "credential"];
    let mut text = error.render().to_string();
    let context = |kind| error.get(kind).map(ToString::to_string).unwrap_or_default();
    let value = context(ContextKind::InvalidValue);
    // The names of the flag and of its value.
    let named = context(ContextKind::InvalidArg);
    let flag = named.to_lowercase();
    if SECRETS.iter().any(|name| flag.contains(name)) && !value.is_empty() {
        // clap shows a value without its control characters.
        text = mask(&mask(&text, &value), &value.replace(char::is_control, ""));
        if let Some(which) = which_of_several(&flag, &value, std::env::args().skip(1)) {
            text = text.replacen(&format!("'{named}'"), &format!("'{named}' ({which})"), 1);
        }
    }
    // A URL in another place, such as one argument too many.
    let text = Redactor::default().with_environment().redact(&text);
    let cause = text.trim_start_matches("error: ").split("\n\n").filter(|part| {
        let part = part.trim_start();
        !part.starts_with("Usage:") && !part.starts_with("For more information")
    });
    let lines: Vec<&str> =
        cause.flat_map(str::lines).map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join(" ")
}

/// What is probably meant if an argument is too many and is no flag: the command, without `--` before it.
fn missing_separator(error: &clap::Error) -> Option<String> {
    let argument = error.get(ContextKind::InvalidArg)?.to_string();
    let is_word = error.kind() == ErrorKind::UnknownArgument && !argument.starts_with('-');
    is_word.then(|| ": write -- before the command and its arguments".to_owned())
}

/// The text without the value, but with longer texts that only contain it, such as the example in a hint.
fn mask(text: &str, value: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-._~:/@%".contains(c);
    let mut masked = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(value).filter(|_| !value.is_empty()) {
        let mut next = after.chars();
        // A colon or a full stop may end the value in a sentence.
        let goes_on = match (next.next(), next.next()) {
            (Some(one), Some(other)) => is_part(one) && (one.is_ascii_alphanumeric() || is_part(other)),
            (Some(one), None) => one.is_ascii_alphanumeric(),
            (None, _) => false,
        };
        masked.push_str(before);
        masked.push_str(if goes_on { value } else { MASK });
        rest = after;
    }
    masked + rest
}

/// Which of several values of a flag it is, as `number 2 of 3`: the value itself is not shown.
fn which_of_several(flag: &str, value: &str, arguments: impl Iterator<Item = String>) -> Option<String> {
    let flag = flag.split_whitespace().next()?;
    let mut values = Vec::new();
    let mut arguments = arguments.take_while(|argument| argument != "--");
    while let Some(argument) = arguments.next() {
        if argument == flag {
            values.extend(arguments.next());
        } else if let Some(value) = argument.strip_prefix(flag).and_then(|rest| rest.strip_prefix('=')) {
            values.push(value.to_owned());
        }
    }
    let at = values.iter().position(|one| one == value)?;
    (values.len() > 1).then(|| format!("number {} of {}", at + 1, values.len()))
}

/// Dies by the signal that killed the wrapped command, so that the calling shell sees the same death. Returns if that
/// is impossible: no signal kills PID 1.
fn die_by(signal: i32) {
    if std::process::id() == 1 {
        return;
    }
    // The command has already dumped core, if any.
    let _ = nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0);
    let _ = signal_hook::low_level::emulate_default_handler(signal);
}

/// Writes one line to stderr, in the form `tool: message; message`, without control characters: messages quote text from
/// outside. Writes nothing if there are no messages.
pub fn warn(tool: &str, messages: &[String]) {
    if !messages.is_empty() {
        // If stderr is closed, there is nowhere left to report it.
        let _ = writeln!(std::io::stderr(), "{tool}: {}", one_line(&messages.join("; ")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_masked_and_the_example_in_a_hint_is_not() {
        let value = "tcp://127.0.0.1";
        let text =
            format!("invalid value '{value}' for '--url': {value}: needs a port, such as {value}:5432");
        assert_eq!(
            mask(&text, value),
            format!("invalid value '***' for '--url': ***: needs a port, such as {value}:5432")
        );
        assert_eq!(mask("no x", ""), "no x");
        assert_eq!(mask("x.", "x"), "***.");
    }

    #[test]
    fn one_of_several_values_is_found_by_its_number() {
        let which = |arguments: &str, value| {
            which_of_several("--url <url>", value, arguments.split(' ').map(str::to_owned))
        };
        assert_eq!(which("--url a --url=b --url c -- --url d", "b").as_deref(), Some("number 2 of 3"));
        assert_eq!(which("--url a --urls b", "a"), None);
        assert_eq!(which("--url a --url b", "c"), None);
    }
}
