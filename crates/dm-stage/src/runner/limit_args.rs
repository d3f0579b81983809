//! The flags for a wrapped command's time limit.

use std::time::Duration;

use common::duration;
use nix::sys::signal::Signal;

/// How long a wrapped command may take.
#[derive(Debug, Clone, clap::Args)]
pub struct LimitArgs {
    /// End the command after this time: --signal to it and everything it started, then KILL
    #[arg(long, value_name = "DURATION", value_parser = duration::parse_positive)]
    pub timeout: Option<Duration>,
    /// The signal that asks the command to end at its time limit, such as INT or QUIT
    #[arg(long, value_name = "SIGNAL", default_value = "TERM", value_parser = parse_signal, requires = "timeout")]
    pub signal: Signal,
    /// The time between --signal and KILL
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::parse, requires = "timeout")]
    pub kill_after: Duration,
    /// Let the command continue if this tool is killed by SIGKILL or for lack of memory; otherwise the command gets TERM
    #[arg(long)]
    pub may_outlive: bool,
}

/// A signal by its name, with or without `SIG`, or by its number, as for timeout(1).
fn parse_signal(text: &str) -> Result<Signal, String> {
    let by_number = || text.parse::<i32>().ok().and_then(|number| Signal::try_from(number).ok());
    let name = text.to_ascii_uppercase();
    let by_name = || format!("SIG{}", name.strip_prefix("SIG").unwrap_or(&name)).parse().ok();
    by_number().or_else(by_name).ok_or_else(|| "not a signal such as TERM, INT or QUIT".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_has_a_name_or_a_number() {
        for text in ["INT", "int", "SIGINT", "2"] {
            assert_eq!(parse_signal(text), Ok(Signal::SIGINT), "{text}");
        }
        for text in ["", "SIG", "0", "99", "-2", "INTERRUPT"] {
            assert!(parse_signal(text).is_err(), "{text}");
        }
    }
}
