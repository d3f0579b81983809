//! A suite of tests, checked.

use std::sync::Arc;
use std::time::Duration;

use common::label::Label;
use reqwest::Method;
use reqwest::header::HeaderMap;
use url::Url;

use crate::assertion::{CommandExpected, HttpExpected};
use crate::excerpt::Secrets;

/// A suite.
#[derive(Debug)]
pub struct Suite {
    /// Its name.
    pub name: Label,
    /// Its tests, in order.
    pub tests: Vec<Arc<Test>>,
}

/// One test.
#[derive(Debug)]
pub struct Test {
    /// Its name; no other test has it.
    pub name: String,
    /// Its time limit.
    pub limit: Duration,
    /// What is done.
    pub kind: Kind,
    /// What must not be shown of what it sees.
    pub secrets: Secrets,
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
    /// The whole URL.
    pub url: Url,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Option<String>,
    /// What should come.
    pub expected: HttpExpected,
}

/// A command and how it should end.
#[derive(Debug)]
pub struct CommandTest {
    /// The program.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// What should come.
    pub expected: CommandExpected,
}
