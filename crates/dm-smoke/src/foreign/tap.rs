//! The Test Anything Protocol, versions 12 to 14. The tests are those that are not indented: a subtest that fails
//! fails the test that it belongs to.

use std::time::Duration;

use common::event::TestResult;

use super::{Case, Told, duration};

/// Reads a stream.
pub(crate) fn parse(text: &str) -> Told {
    let mut reading = Reading::default();
    for line in text.lines() {
        reading.line(line.trim_end());
        if reading.bailed_out.is_some() {
            break;
        }
    }
    let came = reading.tests.len() as u64;
    let broken = match (reading.bailed_out, reading.plan) {
        (Some(why), _) => Some(format!("the runner bailed out: {why}")),
        (None, None) => Some("there is no plan: its runner broke off, or this is no TAP".to_owned()),
        (None, Some(plan)) if plan != came => {
            Some(format!("the plan promises {plan} tests, and {came} came: its runner broke off"))
        }
        (None, Some(_)) => None,
    };
    Told { tests: reading.tests, broken }
}

#[derive(Default)]
struct Reading {
    tests: Vec<Case>,
    plan: Option<u64>,
    bailed_out: Option<String>,
    /// Within a YAML block.
    in_block: bool,
}

impl Reading {
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
        // `okay` is no test.
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
            // A test that is still to be written fails rightly.
            "todo" if !is_ok => TestResult::Skip,
            _ if is_ok => TestResult::Pass,
            _ => TestResult::Fail,
        };
        let why = directive.split_once(' ').map(|(_, why)| why.trim()).filter(|why| !why.is_empty());
        let name = if description.is_empty() { format!("test {number}") } else { description };
        self.tests.push(Case {
            name,
            result,
            duration: Duration::ZERO,
            message: why.filter(|_| result == TestResult::Skip).map(str::to_owned),
        });
    }

    /// A line of a YAML block that is worth something.
    fn entry(&mut self, line: &str) {
        let Some((key, value)) = line.split_once(':') else { return self.first_line(line) };
        let Some(case) = self.tests.last_mut() else { return };
        let value = value.trim().trim_matches(['\'', '"']);
        match key {
            "duration_ms" => case.duration = duration(value, 0.001),
            // A text of several lines begins in the next.
            "message" | "error" if case.result == TestResult::Fail && case.message.is_none() => {
                case.message =
                    Some(if value.starts_with(['|', '>']) { String::new() } else { value.to_owned() });
            }
            _ => self.first_line(line),
        }
    }

    /// The first line of a message that begins in the line after its key.
    fn first_line(&mut self, line: &str) {
        let message = self.tests.last_mut().and_then(|case| case.message.as_mut());
        if let Some(message) = message.filter(|message| message.is_empty()) {
            line.clone_into(message);
        }
    }

    /// What runners without YAML say of a failure.
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

/// The word of a directive, in lower case. Some write `# SKIP: why`.
fn directive_word(directive: &str) -> Option<String> {
    let word = directive.split_whitespace().next()?.trim_end_matches(':').to_ascii_lowercase();
    matches!(word.as_str(), "skip" | "skipped" | "todo").then_some(word)
}

/// The description, unescaped, and the directive after it. Not every runner escapes a `#` in a name: only one that stands
/// alone, with a directive's word after it, begins a directive.
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
        let broken = |text: &str| parse(text).broken.unwrap_or_default();
        assert_eq!(broken("1..2\nok 1\nok 2\n"), "");
        assert_eq!(broken("ok\nok\n1..2\n"), "");
        assert!(broken("1..3\nok 1\nok 2\n").starts_with("the plan promises 3 tests, and 2 came"));
        assert!(broken("1..1\nok 1\nok 2\n").starts_with("the plan promises 1 tests, and 2 came"));
        assert!(broken("ok 1\n").starts_with("there is no plan"));
        assert!(broken("").starts_with("there is no plan"));
        assert_eq!(broken("1..2\nok 1\nBail out! no database\nok 2\n"), "the runner bailed out: no database");
        assert_eq!(parse("1..0 # SKIP nothing here\n"), Told::default());
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
        fn what_is_written_here_can_be_read_here(name in "[^\\s\\p{C}][^\\p{C}\\p{Zl}\\p{Zp}]{0,30}[^\\s\\p{C}]", bad in any::<bool>()) {
            let (result, message) =
                if bad { (TestResult::Fail, Some("why".to_owned())) } else { (TestResult::Pass, None) };
            let test = common::records::Test {
                seq: 1, ts: chrono::DateTime::UNIX_EPOCH, name: name.clone(), result, attempts: 1, duration_ms: 12,
                reason: None, message: message.clone(),
            };
            let text = crate::report::tap::begin(1) + &crate::report::tap::test(&test);
            let told = parse(&text);
            prop_assert_eq!(told.broken, None);
            let wanted = Case { name, result, duration: Duration::from_millis(12), message };
            prop_assert_eq!(told.tests, vec![wanted]);
        }
    }
}
