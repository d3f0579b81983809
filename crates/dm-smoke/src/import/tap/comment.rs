//! Comments: runners without YAML blocks explain a failure in them.

/// What a comment says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Comment<'a> {
    /// Something about the test before it.
    Explanation(&'a str),
    /// Something about the whole run, or about the next test.
    Other,
}

/// The first words of the lines in which runners sum up.
const TOTALS: [&str; 17] = [
    "tests",
    "test",
    "pass",
    "passed",
    "fail",
    "failed",
    "failures",
    "skip",
    "skipped",
    "todo",
    "ok",
    "suites",
    "cancelled",
    "duration_ms",
    "total",
    "assertions",
    "files",
];

impl<'a> Comment<'a> {
    /// The text after `#`.
    pub(super) fn parse(text: &'a str) -> Self {
        let text = text.trim();
        let mut words = text.split_whitespace();
        let first = words.next().unwrap_or_default().trim_end_matches(':').to_ascii_lowercase();
        let is_count = words.next().is_some_and(|word| word.starts_with(|c: char| c.is_ascii_digit()));
        let is_total = is_count && TOTALS.contains(&first.as_str());
        let is_other =
            ["Subtest:", "time=", "{ total", "Looks like ", "TAP results for", "ok - ", "not ok - "]
                .iter()
                .any(|start| text.starts_with(start));
        if is_total || is_other { Self::Other } else { Self::Explanation(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_and_titles_explain_no_failure() {
        for text in [
            " tests 2",
            " pass  1",
            "fail 1",
            " duration_ms 12.5",
            " time=12.5ms",
            " { total: 2, fail: 1 }",
            " failed 1 of 2 tests",
            " Subtest: inner",
            " Looks like you failed 1 test of 2.",
            " Looks like you planned 3 tests but ran 2.",
            " TAP results for T",
            " not ok - group",
        ] {
            assert_eq!(Comment::parse(text), Comment::Other, "{text}");
        }
        for text in ["Failed test 'a'", "tests are slow", "fail", "12 is not 13", "failed: no answer"] {
            assert_eq!(Comment::parse(text), Comment::Explanation(text), "{text}");
        }
    }
}
