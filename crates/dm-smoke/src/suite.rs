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
    pub name: Label,
    /// Its tests, in order.
    pub tests: Vec<Arc<Test>>,
    /// What must not be shown of what they see. Not a test's own: a service may tell one what it was told by another.
    pub secrets: Redactor,
}

impl Suite {
    /// The tests that are wanted, and those that they depend on.
    #[must_use]
    pub fn choose(self, is_wanted: impl Fn(&Test) -> bool) -> Self {
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
pub struct Test {
    /// Its name; no other test has it.
    pub name: String,
    /// The line of the file that it is named in.
    pub line: usize,
    /// Its time limit.
    pub limit: Duration,
    /// What is done.
    pub kind: Kind,
    /// How often it is tried again, where it says so.
    pub retries: Option<u32>,
    /// What it can be chosen by.
    pub tags: Vec<String>,
    /// The tests that have to pass before it, by their places in the suite.
    pub depends_on: Vec<usize>,
}

/// The kinds of test.
#[derive(Debug)]
pub enum Kind {
    /// A request.
    Http(Box<HttpTest>),
    /// A command.
    Command(CommandTest),
}

/// A request and what it should bring.
#[derive(Debug)]
pub struct HttpTest {
    /// The method.
    pub method: Method,
    /// The whole URL, but for the query.
    pub url: Template,
    /// The headers.
    pub headers: Vec<(HeaderName, Template)>,
    /// What is added to the URL's query.
    pub query: Vec<(String, Template)>,
    /// The body.
    pub body: Body,
    /// So many redirects are followed.
    pub redirects: u32,
    /// What should come.
    pub expected: HttpExpected,
    /// What is kept of it for other tests.
    pub capture: Vec<Capture>,
}

/// A request's body.
#[derive(Debug, PartialEq)]
pub enum Body {
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
pub enum JsonTemplate {
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
    pub fn fill(&self, values: &Values) -> Value {
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
pub struct CommandTest {
    /// The program.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables of its environment beside those that all have.
    pub env: Vec<(String, Template)>,
    /// What should come.
    pub expected: CommandExpected,
}
