//! An HTTP test: sends the request, compares the response with the expectations, and captures values.

use std::borrow::Cow;
use std::time::Duration;

use common::clock::Clock;
use common::duration;
use common::event::Reason;
use common::http;
use common::label::redact_url;
use http_expect::ContentCondition;
use percent_encoding::utf8_percent_encode;
use tokio::time::timeout;
use url::Url;

use super::context::RunContext;
use super::exchange::{Exchange, ExchangeError};
use super::jar::Jar;
use super::kept::Kept;
use super::payload::{MAX_FILE_BYTES, read_file};
use super::redirect::Trail;
use crate::failure::{Failure, inserted_badly};
use crate::redact::{PATH_SEGMENT, SuiteRedactor};
use crate::suite::assertion::{HttpExpected, HttpObserved, Mismatch, Stream};
use crate::suite::model::HttpTest;
use crate::suite::template::Values;

/// Runs the test, with the cookies of earlier ones. Returns what it leaves for others.
pub(super) async fn run(
    test: &HttpTest,
    limit: Duration,
    redactor: SuiteRedactor<'_>,
    context: &RunContext,
    mut jar: Jar,
    clock: &(dyn Clock + Sync),
) -> Result<Kept, Failure> {
    let url = match url(test, redactor.values) {
        Ok(url) => url,
        Err(why) => return Err(Failure::error(Reason::Other, why).with_subject(test.method.as_str())),
    };
    let redactor = SuiteRedactor { url: Some(&url), ..redactor };
    let mut trail = Trail::default();
    let expected = test.expected.with(redactor.values);
    let expected = expected.map_err(|why| inserted_badly(&redactor.redact(&why))).and_then(with_file);
    let expected = match expected {
        Ok(expected) => expected,
        Err(failure) => return Err(failure.with_subject(&subject(test, &url, &trail, &redactor))),
    };
    let mut stream = Stream::default();
    let exchange = Exchange {
        test,
        expected: &expected,
        limit,
        context,
        values: redactor.values,
        clock,
        jar: &mut jar,
        trail: &mut trail,
        stream: &mut stream,
    };
    let result = match timeout(limit, exchange.run(url.clone())).await {
        Ok(Ok(observed)) => evaluate(test, &expected, &observed, &jar, redactor),
        Ok(Err(ExchangeError::Request(failure))) => Err(failure),
        Ok(Err(ExchangeError::Transport(error))) => Err(error.into_failure(limit, &context.proxies)),
        Err(_) if stream.seen > 0 => {
            let unmet: Vec<_> = stream.unmet(expected.messages.len(), Some(limit)).into_iter().collect();
            Failure::from_mismatches(&unmet, &redactor).map_or(Ok(Values::new()), Err)
        }
        Err(_) => Err(Failure::error(
            Reason::ReadTimeout,
            format!("no complete response within {}", duration::format_duration(limit)),
        )),
    };
    let result = result.map(|values| Kept { values, cookies: jar.into_new() });
    result.map_err(|failure| failure.with_subject(&subject(test, &url, &trail, &redactor)))
}

/// The request for messages: its method and URL, and where redirects led it.
fn subject(test: &HttpTest, url: &Url, trail: &Trail, redactor: &SuiteRedactor<'_>) -> String {
    let end = trail.followed.last().map(|end| {
        let followed = trail.followed.len();
        let times = if followed == 1 { "once".to_owned() } else { format!("{followed} times") };
        format!(", redirected {times} to {}", redact_url(end))
    });
    let request = format!("{} {}{}", test.method, redact_url(url), end.unwrap_or_default());
    redactor.redact(&request)
}

/// Adds the content of the file that the body should be the same as.
fn with_file(expected: Cow<'_, HttpExpected>) -> Result<Cow<'_, HttpExpected>, Failure> {
    let Some(path) = &expected.body_file else { return Ok(expected) };
    let content = read_file(path, MAX_FILE_BYTES)?;
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let mut expected = expected.into_owned();
    expected.response.content.push(ContentCondition::SameAs { name, content });
    Ok(Cow::Owned(expected))
}

/// The URL with the captured values. A value cannot leave its segment of the path, unless the URL begins with it.
fn url(test: &HttpTest, values: &Values) -> Result<Url, String> {
    // These two navigate in the path even if they are percent-encoded.
    if !test.url.starts_with_value()
        && let Some(name) = test
            .url
            .names()
            .find(|name| values.get(*name).is_some_and(|value| matches!(value.as_str(), "." | "..")))
    {
        return Err(format!("the captured value {name} is . or .., which would change the path of the URL"));
    }
    let encoded = |value: &str| utf8_percent_encode(value, PATH_SEGMENT).to_string();
    let filled = if test.url.starts_with_value() {
        test.url.render(values)
    } else {
        test.url.render_with(values, encoded)
    };
    // The URL is not shown: it consists of captured values, which may be secrets.
    let mut url = http::parse_url(&filled)
        .map_err(|_| "the URL with the captured values is not a valid http or https URL".to_owned())?;
    if !test.query.is_empty() {
        url.query_pairs_mut()
            .extend_pairs(test.query.iter().map(|(name, value)| (name, value.render(values))));
    }
    Ok(url)
}

fn evaluate(
    test: &HttpTest,
    expected: &HttpExpected,
    observed: &HttpObserved,
    jar: &Jar,
    redactor: SuiteRedactor<'_>,
) -> Result<Values, Failure> {
    let results: Vec<_> = test.capture.iter().map(|capture| capture.extract(&observed.response)).collect();
    // If this test fails, its message must not show the values that it captured, nor its cookies.
    let captured: Vec<_> = results.iter().flatten().cloned().chain(jar.values()).collect();
    let redactor = SuiteRedactor { captured: &captured, ..redactor };
    let mismatches = expected.check(observed, |text| redactor.redact(text));
    Failure::from_mismatches(&mismatches, &redactor).map_or(Ok(()), Err)?;
    let mut values = Values::new();
    let mut missing = Vec::new();
    for (capture, value) in test.capture.iter().zip(results) {
        match value {
            Ok(value) => drop(values.insert(capture.name.clone(), value)),
            Err(what) => missing.push(Mismatch {
                reason: Reason::BodyMismatch,
                what,
                evidence: &observed.response.body,
            }),
        }
    }
    Failure::from_mismatches(&missing, &redactor).map_or(Ok(values), Err)
}
