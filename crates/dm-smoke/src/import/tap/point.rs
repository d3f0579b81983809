//! A test line: `not ok 3 - name # TODO reason`.

use std::time::Duration;

use common::event::TestResult;

use crate::import::duration;

/// A test line.
#[derive(Debug, PartialEq)]
pub(super) struct Point {
    pub(super) number: Option<u64>,
    /// The description, or the number.
    pub(super) name: String,
    pub(super) result: TestResult,
    /// The reason of a skipped test.
    pub(super) reason: Option<String>,
    pub(super) duration: Duration,
    /// Whether the lines of its subtest follow, up to a closing brace.
    pub(super) opens_subtest: bool,
}

impl Point {
    /// A line without its indentation; `None` if it is no test line.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let (is_ok, rest) = match line.strip_prefix("not ok") {
            Some(rest) => (false, rest),
            None => (true, line.strip_prefix("ok")?),
        };
        // `okay` is not a test line.
        if !(rest.is_empty() || rest.starts_with([' ', '\t'])) {
            return None;
        }
        let rest = rest.trim();
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, rest) = rest.split_at_checked(digits).unwrap_or(("", rest));
        let rest = rest.trim_start();
        let rest = rest.strip_prefix("- ").unwrap_or(rest);
        let (rest, opens_subtest) = rest.strip_suffix(" {").map_or((rest, false), |rest| (rest, true));
        let (rest, duration) = without_time(rest);
        let (description, directive) = split_directive(&rest);
        let word = directive_word(directive).unwrap_or_default();
        let result = match word.as_str() {
            // A TODO test is expected to fail; vitest writes `ok` for one that never ran.
            "skip" | "skipped" | "todo" => TestResult::Skip,
            _ if is_ok => TestResult::Pass,
            _ => TestResult::Fail,
        };
        let reason =
            directive.split_once(' ').map(|(_, reason)| reason.trim()).filter(|reason| !reason.is_empty());
        Some(Self {
            number: number.parse().ok(),
            name: if description.is_empty() { format!("test {number}") } else { description },
            result,
            reason: reason.filter(|_| result == TestResult::Skip).map(str::to_owned),
            duration,
            opens_subtest,
        })
    }
}

/// The text without the directive `# time=…`, and that time. Criterion writes it as `  (0.02s)`.
fn without_time(text: &str) -> (String, Duration) {
    if let Some((before, time)) = text.strip_suffix("s)").and_then(|text| text.rsplit_once("  ("))
        && time.parse::<f64>().is_ok()
    {
        return (before.to_owned(), duration::parse(time));
    }
    let (before, after) = match text.split_once(" # time=") {
        Some(parts) => parts,
        None => match text.strip_prefix("# time=") {
            Some(after) => ("", after),
            None => return (text.to_owned(), Duration::ZERO),
        },
    };
    let (time, rest) = after.split_once(' ').unwrap_or((after, ""));
    let separator = if rest.is_empty() { "" } else { " " };
    (format!("{before}{separator}{rest}"), duration::parse(time))
}

/// The keyword of a directive in lower case. Some runners write `# SKIP: reason`.
fn directive_word(directive: &str) -> Option<String> {
    let word = directive.split_whitespace().next()?.trim_end_matches(':').to_ascii_lowercase();
    matches!(word.as_str(), "skip" | "skipped" | "todo").then_some(word)
}

/// Splits a test line into its unescaped description and its directive. Not every runner escapes `#` in a name, so a
/// directive starts only at a separate `#` with a keyword after it.
fn split_directive(text: &str) -> (String, &str) {
    let mut description = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => description.extend(chars.next().map(|(_, escaped)| escaped)),
            '#' if description.is_empty() || description.ends_with(' ') => {
                let rest = text.get(at + 1..).unwrap_or_default();
                let is_directive = description.is_empty() || directive_word(rest).is_some();
                if is_directive && rest.starts_with(' ') {
                    return (description.trim().to_owned(), rest.trim());
                }
                description.push(c);
            }
            c => description.push(c),
        }
    }
    (description.trim().to_owned(), "")
}
