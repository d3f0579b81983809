//! A validated suite of tests.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use common::label::Label;
use common::secrets::Redactor;
use reqwest::Method;
use reqwest::header::HeaderName;
use serde_json::Value;

use crate::suite::assertion::{CommandExpected, HttpExpected};
use crate::suite::capture::Capture;
use crate::suite::connection::Connection;
use crate::suite::expected::Expected;
use crate::suite::template::{Template, Values};

/// A suite.
#[derive(Debug)]
pub struct Suite {
    /// The name of the suite.
    pub(crate) name: Label,
    /// The tests, in the order of the file.
    pub(crate) tests: Vec<Arc<Test>>,
    /// Redacts the secrets of all tests: a service can repeat to one test what another one sent.
    pub(crate) secrets: Redactor,
}

impl Suite {
    /// Keeps the tests that match, all tests that they depend on, and what cleans up after these.
    #[must_use]
    pub(crate) fn select(self, matches: impl Fn(&Test) -> bool) -> Self {
        let is_teardown = |test: &Test| test.section == Section::Teardown;
        let mut kept: Vec<bool> = self.tests.iter().map(|test| !is_teardown(test) && matches(test)).collect();
        let mut pending: Vec<usize> = (0..kept.len()).filter(|&at| kept.get(at) == Some(&true)).collect();
        while let Some(at) = pending.pop() {
            for &dependency in self.tests.get(at).into_iter().flat_map(|test| &test.depends_on) {
                if let Some(kept) = kept.get_mut(dependency)
                    && !std::mem::replace(kept, true)
                {
                    pending.push(dependency);
                }
            }
        }
        let any_kept = kept.contains(&true);
        // They come last. Those that need a test that does not run have nothing to clean up.
        for (at, test) in self.tests.iter().enumerate().filter(|(_, test)| is_teardown(test)) {
            let is_possible = any_kept && test.depends_on.iter().all(|&on| kept.get(on) == Some(&true));
            if let Some(kept) = kept.get_mut(at) {
                *kept = is_possible;
            }
        }
        // The new index of each kept test.
        let new_indices: Vec<usize> = kept
            .iter()
            .scan(0, |next, &kept| {
                let index = *next;
                *next += usize::from(kept);
                Some(index)
            })
            .collect();
        let tests = self.tests.into_iter().zip(kept).filter(|(_, kept)| *kept);
        let tests = tests.filter_map(|(test, _)| Arc::into_inner(test)).map(|test| {
            let depends_on = test.depends_on.iter().filter_map(|&at| new_indices.get(at).copied()).collect();
            Arc::new(Test { depends_on, ..test })
        });
        Self { tests: tests.collect(), ..self }
    }
}

/// One test.
#[derive(Debug)]
pub(crate) struct Test {
    /// The name, unique in the suite.
    pub(crate) name: String,
    /// When it runs.
    pub(crate) section: Section,
    /// Its file.
    pub(crate) file: Arc<Path>,
    /// The line of its name in the file, from 1.
    pub(crate) line: usize,
    /// The time limit of one attempt.
    pub(crate) timeout: Duration,
    /// What the test does.
    pub(crate) kind: TestKind,
    /// The retries, if the test sets them.
    pub(crate) retries: Option<u32>,
    /// That it is repeated until it holds.
    pub(crate) polling: Option<Polling>,
    /// A pause before the test.
    pub(crate) delay: Option<Duration>,
    /// The tags, for `--tag`.
    pub(crate) tags: Vec<String>,
    /// The tests that must pass first, as indices into [`Suite::tests`].
    pub(crate) depends_on: Vec<usize>,
}

/// When a test runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Section {
    /// Before all others, which run only if it passes.
    Setup,
    /// In between.
    Test,
    /// After all others, also if some failed.
    Teardown,
}

/// A test that is repeated until it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Polling {
    /// The last repetition starts after this time.
    pub(crate) until: Duration,
    /// The pause before a repetition.
    pub(crate) interval: Duration,
}

/// The kinds of tests.
#[derive(Debug)]
pub(crate) enum TestKind {
    /// An HTTP request.
    Http(Box<HttpTest>),
    /// A command.
    Command(CommandTest),
}

/// A request and the expected response.
#[derive(Debug)]
pub(crate) struct HttpTest {
    /// The method.
    pub(crate) method: Method,
    /// The absolute URL. [`HttpTest::query`] is added to it.
    pub(crate) url: Template,
    /// The headers.
    pub(crate) headers: Vec<(HeaderName, Template)>,
    /// Parameters to add to the query of the URL.
    pub(crate) query: Vec<(String, Template)>,
    /// The body.
    pub(crate) body: Body,
    /// The most redirects to follow.
    pub(crate) max_redirects: u32,
    /// How the server is reached.
    pub(crate) connection: Connection,
    /// The messages to send over a WebSocket, if the test opens one.
    pub(crate) websocket: Option<Vec<Template>>,
    /// The most bytes in a second at which the body is read.
    pub(crate) rate: Option<u32>,
    /// Whether other hosts get all headers after a redirect.
    pub(crate) trust_redirects: bool,
    /// Whether the test sends and keeps cookies.
    pub(crate) cookies: bool,
    /// The expected response.
    pub(crate) expected: Expected<HttpExpected>,
    /// The values to capture for other tests.
    pub(crate) capture: Vec<Capture>,
}

/// A request's body.
#[derive(Debug, PartialEq)]
pub(crate) enum Body {
    /// No body.
    None,
    /// Text, sent as it is.
    Text(Template),
    /// JSON.
    Json(JsonTemplate),
    /// Bytes, sent as they are.
    Bytes(Vec<u8>),
    /// The content of a file, sent as it is.
    File(PathBuf),
    /// A form, encoded as `application/x-www-form-urlencoded`.
    Form(Vec<(String, Template)>),
    /// A form, encoded as `multipart/form-data`.
    Multipart(Vec<Part>),
}

/// A part of a form.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part {
    /// The name of the field.
    pub(crate) name: String,
    /// The value of the field.
    pub(crate) content: PartContent,
    /// The name of the file, if it is not the file's own.
    pub(crate) file_name: Option<String>,
    /// The media type.
    pub(crate) media_type: Option<String>,
}

/// The value of a part.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum PartContent {
    /// A text.
    Text(Template),
    /// A file to upload.
    File(PathBuf),
}

/// JSON whose strings are templates.
#[derive(Debug, PartialEq)]
pub(crate) enum JsonTemplate {
    /// A string.
    Text(Template),
    /// An array.
    List(Vec<Self>),
    /// An object.
    Object(Vec<(String, Self)>),
    /// A number, a boolean or null.
    Other(Value),
}

impl JsonTemplate {
    /// The JSON with all values inserted.
    pub(crate) fn render(&self, values: &Values) -> Value {
        match self {
            Self::Text(text) => text.render(values).into(),
            Self::List(list) => list.iter().map(|item| item.render(values)).collect(),
            Self::Object(members) => {
                members.iter().map(|(name, member)| (name.clone(), member.render(values))).collect()
            }
            Self::Other(value) => value.clone(),
        }
    }
}

/// A command and its expected result.
#[derive(Debug, Default)]
pub(crate) struct CommandTest {
    /// The program.
    pub(crate) program: Template,
    /// The arguments.
    pub(crate) args: Vec<Template>,
    /// Environment variables for this command only.
    pub(crate) env: Vec<(String, Template)>,
    /// The expected result.
    pub(crate) expected: Expected<CommandExpected>,
}
