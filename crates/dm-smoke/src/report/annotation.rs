//! Failures as annotations of GitHub Actions: workflow commands, which a runner reads from a step's stderr as well as
//! from its stdout, so that the format on stdout stays whole.

use std::path::Path;

use common::event::TestResult;
use common::github_actions::annotation;
use common::records::Test;

/// A test's annotation; `None` for one that passed. `place` is the test's file and line, where it has any.
pub fn of(test: &Test, place: Option<(&Path, usize)>) -> Option<String> {
    let level = match test.result {
        TestResult::Fail | TestResult::Error => "error",
        TestResult::Flaky => "warning",
        TestResult::Pass | TestResult::Skip => return None,
    };
    let message = test.message.as_deref().unwrap_or(test.result.as_str());
    Some(annotation(level, place, &test.name, message) + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    fn test(name: &str, result: TestResult, message: Option<&str>) -> Test {
        Test {
            seq: 1,
            ts: chrono::DateTime::UNIX_EPOCH,
            name: name.to_owned(),
            result,
            attempts: 1,
            duration_ms: 1,
            reason: None,
            message: message.map(str::to_owned),
        }
    }

    #[test]
    fn only_what_is_wrong_is_annotated() {
        let place = Some((Path::new("a,b.toml"), 7));
        assert_eq!(
            of(&test("50%: x, y", TestResult::Fail, Some("100%: a,\nb")), place).unwrap(),
            "::error file=a%2Cb.toml,line=7,title=50%25%3A x%2C y::100%25: a,%0Ab\n"
        );
        assert_eq!(of(&test("a", TestResult::Flaky, None), None).unwrap(), "::warning title=a::flaky\n");
        assert_eq!(of(&test("a", TestResult::Pass, None), place), None);
    }

    proptest! {
        #[test]
        fn any_text_is_one_command_in_one_line(name in "(?s).{0,30}", message in "(?s).{0,30}|(::|%|\n|\r|,){0,12}") {
            let text = of(&test(&name, TestResult::Error, Some(&message)), None).unwrap();
            prop_assert_eq!(text.matches(['\n', '\r']).count(), 1);
            let (head, _) = text.trim_start_matches("::").split_once("::").unwrap();
            let unescaped = head.replace("%3A", ":").replace("%2C", ",").replace("%0A", "\n").replace("%0D", "\r");
            prop_assert_eq!(unescaped.replace("%25", "%"), format!("error title={name}"));
        }
    }
}
