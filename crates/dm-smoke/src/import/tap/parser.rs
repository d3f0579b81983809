//! The parser: line by line.

use common::event::TestResult;

use super::MAX_TEXT;
use super::block::{Block, BlockLine};
use super::comment::Comment;
use super::plan::Plan;
use super::point::Point;
use super::subtest::FailedSubtest;
use crate::import::{ImportedReport, ImportedTest, duration};

/// Parses a TAP stream.
pub(crate) fn parse(text: &str) -> ImportedReport {
    let mut parser = Parser::default();
    for line in text.lines() {
        parser.line(line.trim_end());
        if parser.bailed_out.is_some() {
            break;
        }
    }
    parser.end_block();
    parser.end_subtest(false);
    let incomplete = match parser.bailed_out {
        Some(reason) => Some(format!("the runner bailed out: {reason}")),
        None => parser.plan.fault(),
    };
    let mut tests = parser.tests;
    split_times(&mut tests);
    ImportedReport { tests, incomplete }
}

#[derive(Default)]
struct Parser {
    tests: Vec<ImportedTest>,
    plan: Plan,
    bailed_out: Option<String>,
    /// The YAML block that is being read.
    block: Option<Block>,
    explains: Explains,
    failed_subtest: Option<FailedSubtest>,
    /// Whether the last test was opened with a brace.
    is_open: bool,
    /// The test file, in the output of `prove -v`.
    file: Option<String>,
}

/// What the lines after a test line explain.
#[derive(Default, Clone, Copy, PartialEq)]
enum Explains {
    #[default]
    Nothing,
    /// The last test.
    Test,
    /// The failed subtest.
    Subtest,
}

impl Parser {
    fn line(&mut self, line: &str) {
        let content = line.trim_start();
        let indent = line.len() - content.len();
        if let Some(block) = &mut self.block {
            match block.add(indent, content) {
                BlockLine::Inside => return,
                BlockLine::End => return self.end_block(),
                BlockLine::Outside => self.end_block(),
            }
        }
        if let Some(why) = content.strip_prefix("Bail out!") {
            // At any depth: no test after it was run.
            self.bailed_out = Some(http_expect::excerpt::bounded(why.trim()));
        } else if indent > 0 && content == "---" {
            self.block = Some(Block::new(indent));
        } else if let Some(comment) = content.strip_prefix('#') {
            match Comment::parse(comment) {
                Comment::Explanation(text) => self.explain(text),
                Comment::Other => self.explains = Explains::Nothing,
            }
        } else if let Some(point) = Point::parse(content) {
            if indent == 0 { self.test(point) } else { self.subtest(indent, point) }
        } else if let Some(plan) = content.strip_prefix("1..") {
            self.explains = Explains::Nothing;
            if indent == 0 {
                self.plan.add_plan(plan);
            }
        } else if line == "}" {
            self.end_subtest(true);
        } else if let Some(file) = file_of_prove(line) {
            self.end_subtest(false);
            self.plan.next_stream();
            self.file = Some(file.to_owned());
        } else if self.file.is_some() && line == "Result: FAIL" && !self.has_failed() {
            self.plan.note(format!("prove says \"{line}\""));
        } else if indent > 0 {
            // TAP 12 of mocha: the error and its stack without any mark.
            self.explain(content);
        }
    }

    fn has_failed(&self) -> bool {
        self.tests.iter().any(|test| test.result == TestResult::Fail)
    }

    fn test(&mut self, point: Point) {
        // After each file, prove says whether it passed.
        if self.file.is_some() && point.number.is_none() && self.plan.is_complete() {
            return;
        }
        self.end_subtest(false);
        let failed_subtest = self.failed_subtest.take().filter(|_| point.result == TestResult::Fail);
        self.explains = match (point.result, &failed_subtest) {
            (TestResult::Fail, None) => Explains::Test,
            _ => Explains::Nothing,
        };
        self.is_open = point.opens_subtest;
        self.plan.add_test(point.number);
        self.tests.push(ImportedTest {
            name: match &self.file {
                Some(file) => format!("{file}: {}", point.name),
                None => point.name,
            },
            result: point.result,
            duration: point.duration,
            message: point.reason.or_else(|| failed_subtest.map(FailedSubtest::into_message)),
        });
    }

    fn subtest(&mut self, indent: usize, point: Point) {
        let explains = FailedSubtest::note(&mut self.failed_subtest, indent, point);
        self.explains = if explains { Explains::Subtest } else { Explains::Nothing };
    }

    /// Ends the subtest of a test that was opened with a brace. Without the closing one, the brace was part of the name.
    fn end_subtest(&mut self, is_closed: bool) {
        if !std::mem::take(&mut self.is_open) {
            return;
        }
        if let Some(test) = self.tests.last_mut().filter(|_| !is_closed) {
            test.name.push_str(" {");
        }
        self.explains = Explains::Nothing;
        let message = self.failed_subtest.take().map(FailedSubtest::into_message);
        if let Some(test) = self.tests.last_mut().filter(|test| test.result == TestResult::Fail) {
            test.message = message.or(test.message.take());
        }
    }

    fn explain(&mut self, text: &str) {
        match self.explains {
            Explains::Nothing => {}
            Explains::Subtest => self.failed_subtest.iter_mut().for_each(|subtest| subtest.explain(text)),
            Explains::Test => {
                let message = self.tests.last_mut().map(|test| test.message.get_or_insert_default());
                if let Some(message) = message.filter(|message| message.len() < MAX_TEXT) {
                    message.push_str(text);
                    message.push('\n');
                }
            }
        }
    }

    /// Ends a YAML block. It says more than the comments around it.
    fn end_block(&mut self) {
        let Some(block) = self.block.take() else { return };
        match (self.explains, block.message(), self.tests.last_mut()) {
            (Explains::Test, Some(message), Some(test)) => test.message = Some(message),
            (Explains::Subtest, Some(message), _) => self.explain(&message),
            _ => {}
        }
        // The block of a subtest is about the subtest.
        let is_of_test = self.explains == Explains::Test || self.failed_subtest.is_none();
        if let (true, Some(duration), Some(test)) = (is_of_test, block.duration(), self.tests.last_mut()) {
            test.duration = duration;
        }
        self.explains = Explains::Nothing;
    }
}

/// The name of the file that a line of `prove -v` announces: `t/shop.t .. `.
fn file_of_prove(line: &str) -> Option<&str> {
    let (file, dots) = line.split_once(" ..")?;
    let is_file = !file.is_empty() && !file.contains(char::is_whitespace) && dots.chars().all(|c| c == '.');
    is_file.then_some(file)
}

/// Takes the times from the names, if every name has one: `bats -T` writes `ok 1 name in 40ms`.
fn split_times(tests: &mut [ImportedTest]) {
    let split = |name: &str| {
        let (name, time) = name.rsplit_once(" in ")?;
        let digits = time.strip_suffix("ms")?;
        let is_time = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
        is_time.then(|| (name.to_owned(), duration::parse(time)))
    };
    let parts: Option<Vec<_>> = tests.iter().map(|test| split(&test.name)).collect();
    for (test, (name, duration)) in tests.iter_mut().zip(parts.into_iter().flatten()) {
        test.name = name;
        test.duration = duration;
    }
}
