//! The `main` of every tool: arguments to plan, plan to exit code, and the one place where errors are told.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use clap::error::{ContextKind, ErrorKind};

use crate::exit::Exit;
use crate::label::MASK;

/// A tool, as far as its `main` has to know it.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    /// Its name.
    pub name: &'static str,
    /// Whether its exit codes belong to a wrapped command: then its own faults are 125.
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

/// The `main` of every tool: arguments, plan, act, exit code. Errors go to stderr here, once.
pub fn main<A: Parser, P>(tool: Tool, plan: fn(A) -> Result<P>, act: fn(P) -> Result<Exit>) -> ExitCode {
    std::panic::set_hook(Box::new(move |panic| {
        warn(tool.name, &[format!("internal error: {panic}; please report this").replace('\n', " ")]);
    }));
    let exit = std::panic::catch_unwind(|| end(tool, plan, act)).unwrap_or(tool.fault());
    if let Exit::Signal(signal) = exit {
        die_by(signal);
    }
    ExitCode::from(exit.code())
}

fn end<A: Parser, P>(tool: Tool, plan: fn(A) -> Result<P>, act: fn(P) -> Result<Exit>) -> Exit {
    let args = match A::try_parse() {
        Ok(args) => args,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            // Help on a closed pipe is no error.
            let _ = error.print();
            return Exit::Success;
        }
        Err(error) => {
            warn(tool.name, &[format!("{}; see {} --help", usage_error(&error), tool.name)]);
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

/// clap's explanation in one line: its cause and its tips, without the usage text.
///
/// A URL that could not be read is not repeated: it may hold a password, and this goes to a log.
fn usage_error(error: &clap::Error) -> String {
    let mut text = error.render().to_string();
    let told = |kind| error.get(kind).map(ToString::to_string).unwrap_or_default();
    let value = told(ContextKind::InvalidValue);
    if told(ContextKind::InvalidArg).contains("url") && !value.is_empty() {
        text = text.replace(&value, MASK);
    }
    let cause = text.trim_start_matches("error: ").split("\n\n").filter(|part| {
        let part = part.trim_start();
        !part.starts_with("Usage:") && !part.starts_with("For more information")
    });
    let lines: Vec<&str> =
        cause.flat_map(str::lines).map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join(" ")
}

/// Dies by the signal that the wrapped command died by, so that a shell around sees the same death. Returns where
/// that is not possible: as PID 1 no signal kills.
fn die_by(signal: i32) {
    if std::process::id() == 1 {
        return;
    }
    // The core, if any, was the command's.
    let _ = nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0);
    let _ = signal_hook::low_level::emulate_default_handler(signal);
}

/// One line on stderr, in the form `tool: what; what`. Nothing for no messages.
pub fn warn(tool: &str, messages: &[String]) {
    if !messages.is_empty() {
        // Without a stderr there is nobody to tell.
        let _ = writeln!(std::io::stderr(), "{tool}: {}", messages.join("; "));
    }
}
