//! How much of a command's output its event contains.

use common::event::ChildUse;
use common::label::MASK;
use common::secrets::Redactor;

/// How many lines of a failed command the event contains by default.
const DEFAULT_LINES: usize = 20;

/// How much of them.
const MAX_DEFAULT_BYTES: usize = 8 * 1024;

/// How much of the requested lines. A reader of the journal accepts no longer line, and JSON may write six bytes for one.
const MAX_REQUESTED_BYTES: usize = 512 * 1024;

/// The last lines of the output that the event contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// Those of a failed command, if its output is a pipe for another reason: a service that the command leaves running
    /// could not write to one any more.
    IfKept,
    /// This many lines.
    Lines(usize),
}

impl From<Option<u16>> for Tail {
    fn from(lines: Option<u16>) -> Self {
        lines.map_or(Self::IfKept, |lines| Self::Lines(lines.into()))
    }
}

impl Tail {
    /// The number of lines for which the output has to be a pipe.
    pub(super) fn requested(self) -> usize {
        match self {
            Self::IfKept => 0,
            Self::Lines(lines) => lines,
        }
    }

    /// Leaves only the lines that the event contains, with secrets masked.
    pub(super) fn trim(self, used: &mut ChildUse, is_success: bool) {
        let (lines, max_bytes) = match self {
            Self::IfKept if is_success => (0, 0),
            Self::IfKept => (DEFAULT_LINES, MAX_DEFAULT_BYTES),
            Self::Lines(lines) => (lines, MAX_REQUESTED_BYTES),
        };
        let mut bytes = 0;
        let fitting = used.stderr_tail.iter().rev().take(lines).take_while(|line| {
            bytes += line.len();
            bytes <= max_bytes
        });
        let surplus = used.stderr_tail.len() - fitting.count();
        used.stderr_tail.drain(..surplus);
        if !used.stderr_tail.is_empty() {
            Redactor::default().with_environment().redact_lines(&mut used.stderr_tail);
        }
    }
}

/// The beginning of the command by which a program asks GitHub Actions to mask a text in all logs.
const ADD_MASK: &str = "::add-mask::";

/// Masks what the command itself has asked to mask, and leaves out its requests.
pub(super) fn mask_requested(lines: &mut Vec<String>) {
    let is_request = |line: &String| line.trim_start().starts_with(ADD_MASK);
    let requests: Vec<String> = lines.iter().filter(|line| is_request(line)).cloned().collect();
    lines.retain(|line| !is_request(line));
    for secret in requests.iter().filter_map(|line| line.trim().strip_prefix(ADD_MASK)) {
        // The runner encodes and decodes these characters.
        let secret = secret.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%");
        for secret in secret.lines().filter(|secret| !secret.trim().is_empty()) {
            for line in lines.iter_mut() {
                *line = line.replace(secret, MASK);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(tail: Tail, is_success: bool, lines: &[&str]) -> Vec<String> {
        let stderr_tail = lines.iter().map(ToString::to_string).collect();
        let mut used = ChildUse { stderr_tail, ..ChildUse::default() };
        tail.trim(&mut used, is_success);
        used.stderr_tail
    }

    #[test]
    fn what_a_command_asks_to_mask_is_masked() {
        let mut lines = ["::add-mask::hush", "the key is hush", "::add-mask::"].map(str::to_owned).to_vec();
        mask_requested(&mut lines);
        assert_eq!(lines, ["the key is ***"]);
    }

    #[test]
    fn the_end_of_a_failed_command_is_kept_by_default_and_bounded() {
        assert_eq!(kept(Tail::IfKept, true, &["a"]), Vec::<String>::new());
        assert_eq!(kept(Tail::IfKept, false, &["a"]), ["a"]);
        assert_eq!(kept(Tail::IfKept, false, &["x"; 25]).len(), DEFAULT_LINES);
        let long = "x".repeat(1024);
        assert_eq!(kept(Tail::IfKept, false, &[&*long; 20]).len(), MAX_DEFAULT_BYTES / 1024);
        assert_eq!(kept(Tail::Lines(1), true, &["a", "b"]), ["b"]);
        assert_eq!(kept(Tail::Lines(0), false, &["a"]), Vec::<String>::new());
    }
}
