//! The Test Anything Protocol, versions 12 to 14 (<https://testanything.org>). Indented subtests are skipped: a failed subtest
//! fails its parent.

use std::time::Duration;

use common::event::TestResult;

use super::{ImportedReport, ImportedTest, duration};

/// Parses a TAP stream.
pub fn parse(text: &str) -> ImportedReport {
    let mut parser = Parser::default();
    for line in text.lines() {
        parser.line(line.trim_end());
        if parser.bailed_out.is_some() {
            break;
        }
    }
    let received = parser.tests.len() as u64;
    let incomplete = match (parser.bailed_out, parser.plan) {
        (Some(reason), _) => Some(format!("the runner bailed out: {reason}")),
        (None, None) => Some("there is no plan: the runner did not finish, or this is not TAP".to_owned()),
        (None, Some(plan)) if plan != received => Some(format!(
            "the plan is {plan} tests, but the report has {received}: the runner did not finish"
        )),
        (None, Some(_)) => None,
    };
    ImportedReport { tests: parser.tests, incomplete }
}

#[derive(Default)]
struct Parser {
    tests: Vec<ImportedTest>,
    plan: Option<u64>,
    bailed_out: Option<String>,
    /// Whether the parser is in a YAML block.
    in_block: bool,
}

impl Parser {
    fn line(&mut self, line: &str) {
        if self.in_block {
            self.in_block = line.trim() != "...";
            self.entry(line.trim());
        } else if line == "  ---" {
            self.in_block = true;
        } else if let Some(rest) = line.strip_prefix("not ok") {
            self.test(false, rest);
        } else if let Some(rest) = line.strip_prefix("ok") {
            self.test(true, rest);
        } else if let Some(plan) = line.strip_prefix("1..") {
            let number = plan.split_whitespace().next().unwrap_or_default();
            self.plan = number.parse().ok().or(self.plan);
        } else if let Some(why) = line.strip_prefix("Bail out!") {
            self.bailed_out = Some(http_expect::excerpt::bounded(why.trim()));
        } else if let Some(comment) = line.strip_prefix('#') {
            self.comment(comment.trim());
        }
    }

    fn test(&mut self, is_ok: bool, rest: &str) {
        // `okay` is not a test line.
        if !(rest.is_empty() || rest.starts_with(' ')) {
            return;
        }
        let rest = rest.trim_start();
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, rest) = rest.split_at_checked(digits).unwrap_or(("", rest));
        let rest = rest.trim_start();
        let (description, directive) = directive(rest.strip_prefix("- ").unwrap_or(rest));
        let word = directive_word(directive).unwrap_or_default();
        let result = match word.as_str() {
            "skip" | "skipped" => TestResult::Skip,
            // A TODO test is expected to fail.
            "todo" if !is_ok => TestResult::Skip,
            _ if is_ok => TestResult::Pass,
            _ => TestResult::Fail,
        };
        let reason =
            directive.split_once(' ').map(|(_, reason)| reason.trim()).filter(|reason| !reason.is_empty());
        let name = if description.is_empty() { format!("test {number}") } else { description };
        self.tests.push(ImportedTest {
            name,
            result,
            duration: Duration::ZERO,
            message: reason.filter(|_| result == TestResult::Skip).map(str::to_owned),
        });
    }

    /// A line of a YAML block.
    fn entry(&mut self, line: &str) {
        let Some((key, value)) = line.split_once(':') else { return self.first_line(line) };
        let Some(case) = self.tests.last_mut() else { return };
        let value = value.trim().trim_matches(['\'', '"']);
        match key {
            "duration_ms" => case.duration = duration(value, 0.001),
            // A block scalar starts on the next line.
            "message" | "error" if case.result == TestResult::Fail && case.message.is_none() => {
                case.message =
                    Some(if value.starts_with(['|', '>']) { String::new() } else { value.to_owned() });
            }
            _ => self.first_line(line),
        }
    }

    /// The first line of a block scalar.
    fn first_line(&mut self, line: &str) {
        let message = self.tests.last_mut().and_then(|case| case.message.as_mut());
        if let Some(message) = message.filter(|message| message.is_empty()) {
            line.clone_into(message);
        }
    }

    /// Runners without YAML blocks explain a failure in a comment.
    fn comment(&mut self, comment: &str) {
        if let Some(case) = self.tests.last_mut()
            && case.result == TestResult::Fail
            && self.plan.is_none_or(|plan| plan != 0)
            && case.message.is_none()
            && !comment.starts_with("Subtest:")
        {
            case.message = Some(comment.to_owned());
        }
    }
}

/// The keyword of a directive in lower case. Some runners write `# SKIP: reason`.
fn directive_word(directive: &str) -> Option<String> {
    let word = directive.split_whitespace().next()?.trim_end_matches(':').to_ascii_lowercase();
    matches!(word.as_str(), "skip" | "skipped" | "todo").then_some(word)
}

/// Splits a test line into its unescaped description and its directive. Not every runner escapes `#` in a name, so a
/// directive starts only at a separate `#` with a keyword after it.
fn directive(text: &str) -> (String, &str) {
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

#[cfg(test)]
mod tests {
    use super::*;

    use crate::mutation;
    use proptest::prelude::*;

    fn results(text: &str) -> Vec<(String, TestResult)> {
        parse(text).tests.into_iter().map(|case| (case.name, case.result)).collect()
    }

    #[test]
    fn a_stream_without_all_its_tests_is_broken() {
        let incomplete = |text: &str| parse(text).incomplete.unwrap_or_default();
        assert_eq!(incomplete("1..2\nok 1\nok 2\n"), "");
        assert_eq!(incomplete("ok\nok\n1..2\n"), "");
        assert!(incomplete("1..3\nok 1\nok 2\n").starts_with("the plan is 3 tests, but the report has 2"));
        assert!(incomplete("1..1\nok 1\nok 2\n").starts_with("the plan is 1 tests, but the report has 2"));
        assert!(incomplete("ok 1\n").starts_with("there is no plan"));
        assert!(incomplete("").starts_with("there is no plan"));
        assert_eq!(
            incomplete("1..2\nok 1\nBail out! no database\nok 2\n"),
            "the runner bailed out: no database"
        );
        assert_eq!(parse("1..0 # SKIP nothing here\n"), ImportedReport::default());
    }

    #[test]
    fn directives_and_escapes() {
        use TestResult::{Fail, Pass, Skip};
        let text = "1..9\nok 1 - a \\# b \\\\ c\nok 2 # SKIP: no\nnot ok 3 - later # TODO x\nok 4 - done # todo\nnot ok\n\
                    okay\nok 6 - # 5\nnot ok 7 the page has a #skip-link\nnot ok 8 - a # SKIPPING is no word\nnot ok 9 - issue #42 # skip\n";
        assert_eq!(
            results(text),
            [
                ("a # b \\ c".to_owned(), Pass),
                ("test 2".to_owned(), Skip),
                ("later".to_owned(), Skip),
                ("done".to_owned(), Pass),
                ("test ".to_owned(), Fail),
                ("test 6".to_owned(), Pass),
                ("the page has a #skip-link".to_owned(), Fail),
                ("a # SKIPPING is no word".to_owned(), Fail),
                ("issue #42".to_owned(), Skip)
            ]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(
            text in "\\PC{0,80}|(ok|not ok| |1|\\.\\.|\n|#|SKIP|  ---\n|  \\.\\.\\.\n|Bail out!|message: \\|\n|\\\\){0,40}",
        ) {
            let _ = parse(&text);
        }

        #[test]
        fn a_real_report_broken_anywhere_is_read_or_refused(text in mutation::of_one(&[
            include_str!("../../tests/fixtures/bats-1.8.2.tap"),
            include_str!("../../tests/fixtures/hurl-8.0.1.tap"),
            include_str!("../../tests/fixtures/node-20.20.2.tap"),
        ], &["\n", "ok ", "not ok ", "1..", "#", "\\", " # SKIP", "  ---\n", "  ...\n", "Bail out!", "message: |\n", "\u{2028}"])) {
            let _ = parse(&text);
        }

        #[test]
        fn the_tap_output_can_be_imported(name in "[^\\s\\p{C}][^\\p{C}\\p{Zl}\\p{Zp}]{0,30}[^\\s\\p{C}]", bad in any::<bool>()) {
            let (result, message) =
                if bad { (TestResult::Fail, Some("why".to_owned())) } else { (TestResult::Pass, None) };
            let test = common::records::Test {
                seq: 1, ts: chrono::DateTime::UNIX_EPOCH, name: name.clone(), result, attempts: 1, duration_ms: 12,
                reason: None, message: message.clone(),
            };
            let text = crate::report::tap::begin(1) + &crate::report::tap::test(&test);
            let report = parse(&text);
            prop_assert_eq!(report.incomplete, None);
            let expected = ImportedTest { name, result, duration: Duration::from_millis(12), message };
            prop_assert_eq!(report.tests, vec![expected]);
        }
    }
}
