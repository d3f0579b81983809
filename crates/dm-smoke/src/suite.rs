//! A suite of tests, checked.

use std::sync::Arc;
use std::time::Duration;

use common::label::Label;
use reqwest::Method;
use reqwest::header::HeaderName;
use serde_json::Value;

use crate::assertion::{CommandExpected, HttpExpected};
use crate::capture::Capture;
use crate::excerpt::Secrets;
use crate::template::{Template, Values};

/// A suite.
#[derive(Debug)]
pub struct Suite {
    /// Its name.
    pub name: Label,
    /// Its tests, in order.
    pub tests: Vec<Arc<Test>>,
    /// What must not be shown of what they see. Not a test's own: a service may tell one what it was told by another.
    pub secrets: Secrets,
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
