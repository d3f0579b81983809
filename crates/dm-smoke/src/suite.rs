//! A suite of tests, checked.

use std::sync::Arc;
use std::time::Duration;

use common::label::Label;
use common::secrets::Redactor;
use reqwest::Method;
use reqwest::header::HeaderName;
use serde_json::Value;

use crate::assertion::{CommandExpected, HttpExpected};
use crate::capture::Capture;
use crate::template::{Template, Values};

/// A suite.
#[derive(Debug)]
pub struct Suite {
    /// Its name.
    pub(crate) name: Label,
    /// Its tests, in order.
    pub(crate) tests: Vec<Arc<Test>>,
    /// What must not be shown of what they see. Not a test's own: a service may tell one what it was told by another.
    pub(crate) secrets: Redactor,
}

impl Suite {
    /// The tests that are wanted, and those that they depend on.
    #[must_use]
    pub(crate) fn choose(self, is_wanted: impl Fn(&Test) -> bool) -> Self {
        let mut kept: Vec<bool> = self.tests.iter().map(|test| is_wanted(test)).collect();
        let mut todo: Vec<usize> = (0..kept.len()).filter(|&at| kept.get(at) == Some(&true)).collect();
        while let Some(at) = todo.pop() {
            for &before in self.tests.get(at).into_iter().flat_map(|test| &test.depends_on) {
                if let Some(kept) = kept.get_mut(before)
                    && !std::mem::replace(kept, true)
                {
                    todo.push(before);
                }
            }
        }
        // The places of those that are kept, without the others.
        let places: Vec<usize> = kept
            .iter()
            .scan(0, |next, &kept| {
                let place = *next;
                *next += usize::from(kept);
                Some(place)
            })
            .collect();
        let tests = self.tests.into_iter().zip(kept).filter(|(_, kept)| *kept);
        let tests = tests.filter_map(|(test, _)| Arc::into_inner(test)).map(|test| {
            let depends_on = test.depends_on.iter().filter_map(|&at| places.get(at).copied()).collect();
            Arc::new(Test { depends_on, ..test })
        });
        Self { tests: tests.collect(), ..self }
    }
}

/// One test.
#[derive(Debug)]
pub(crate) struct Test {
    /// Its name; no other test has it.
    pub(crate) name: String,
    /// The line of the file that it is named in.
    pub(crate) line: usize,
    /// Its time limit.
    pub(crate) limit: Duration,
    /// What is done.
    pub(crate) kind: Kind,
    /// How often it is tried again, where it says so.
    pub(crate) retries: Option<u32>,
    /// What it can be chosen by.
    pub(crate) tags: Vec<String>,
    /// The tests that have to pass before it, by their places in the suite.
    pub(crate) depends_on: Vec<usize>,
}

/// The kinds of test.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A request.
    Http(Box<HttpTest>),
    /// A command.
    Command(CommandTest),
}

/// A request and what it should bring.
#[derive(Debug)]
pub(crate) struct HttpTest {
    /// The method.
    pub(crate) method: Method,
    /// The whole URL, but for the query.
    pub(crate) url: Template,
    /// The headers.
    pub(crate) headers: Vec<(HeaderName, Template)>,
    /// What is added to the URL's query.
    pub(crate) query: Vec<(String, Template)>,
    /// The body.
    pub(crate) body: Body,
    /// So many redirects are followed.
    pub(crate) redirects: u32,
    /// What should come.
    pub(crate) expected: HttpExpected,
    /// What is kept of it for other tests.
    pub(crate) capture: Vec<Capture>,
}

/// A request's body.
#[derive(Debug, PartialEq)]
pub(crate) enum Body {
    /// None.
    None,
    /// As it is.
    Text(Template),
    /// JSON.
    Json(JsonTemplate),
    /// A form, as a browser sends it.
    Form(Vec<(String, Template)>),
}

/// JSON with values to be filled in to its texts.
#[derive(Debug, PartialEq)]
pub(crate) enum JsonTemplate {
    /// A text.
    Text(Template),
    /// An array.
    List(Vec<Self>),
    /// An object.
    Object(Vec<(String, Self)>),
    /// What has no text in it.
    Other(Value),
}

impl JsonTemplate {
    /// With the values.
    pub(crate) fn fill(&self, values: &Values) -> Value {
        match self {
            Self::Text(text) => text.plain(values).into(),
            Self::List(list) => list.iter().map(|item| item.fill(values)).collect(),
            Self::Object(members) => {
                members.iter().map(|(name, member)| (name.clone(), member.fill(values))).collect()
            }
            Self::Other(value) => value.clone(),
        }
    }
}

/// A command and how it should end.
#[derive(Debug, Default)]
pub(crate) struct CommandTest {
    /// The program.
    pub(crate) program: String,
    /// Its arguments.
    pub(crate) args: Vec<String>,
    /// Variables of its environment beside those that all have.
    pub(crate) env: Vec<(String, Template)>,
    /// What should come.
    pub(crate) expected: CommandExpected,
}
