//! Sends requests: within a deadline, again if that makes sense, and without secrets in what it says about failures.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use common::http;
use common::secrets::Redactor;
use reqwest::header::RETRY_AFTER;
use reqwest::{Client, Response, StatusCode};
use tokio::time::{Instant, sleep, timeout_at};

use crate::notification::Notification;
use crate::record::Record;
use crate::request::Request;
use crate::service::Service;

/// The longest answer that is read.
const MAX_BODY_BYTES: usize = 256 * 1024;

/// The longest part of an error's body that a message quotes.
const MAX_ERROR_BYTES: usize = 200;

/// The wait before another attempt; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// The wait after a 429 that names none.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Sends all that a service should get of a notification, and returns what to remember of it, and what went wrong.
pub(crate) async fn deliver(
    service: &Service,
    notification: &Notification,
    (record, is_wanted): (&Record, bool),
    deadline: Instant,
) -> (Record, Result<()>) {
    let mut record = record.about(notification);
    let result = deliver_all(service, notification, (&mut record, is_wanted), deadline).await;
    let result = result.map_err(|error| {
        let mut redactor = Redactor::default();
        redactor.add(service.secrets());
        anyhow!("{}: {}", service.name(), redactor.redact(&format!("{error:#}")))
    });
    (record, result)
}

async fn deliver_all(
    service: &Service,
    notification: &Notification,
    (record, is_wanted): (&mut Record, bool),
    deadline: Instant,
) -> Result<()> {
    let mut done = None;
    while let Some(request) = service.request(notification, record, (is_wanted, done))? {
        let body = send(service, &request, deadline).await?;
        service.accept((request.step, &body), notification, record)?;
        done = Some(request.step);
    }
    if done.is_some() {
        record.event = Some(notification.event);
    }
    Ok(())
}

/// Sends a request until it is answered, refused, or the time is over.
async fn send(service: &Service, request: &Request, deadline: Instant) -> Result<Vec<u8>> {
    let client = http::builder(request.url.scheme() == "https").build().map_err(http::describe_error);
    let client = client.map_err(anyhow::Error::msg).context("cannot set up an HTTP client")?;
    let mut wait = FIRST_WAIT;
    loop {
        let (error, pause) = match timeout_at(deadline, attempt(&client, request)).await {
            // What was sent without an answer may have arrived. Twice the same message would be worse than none.
            Err(_) => bail!("no response within the time for exporting (DM_EXPORT_BUDGET)"),
            Ok(Ok(response)) => match answer(service, response, deadline).await? {
                Answer::Accepted(body) => return Ok(body),
                Answer::Later(error, pause) => (error, pause),
            },
            Ok(Err(error)) => {
                let is_safe = error.is_connect() || request.is_repeatable;
                let error = http::describe_error(error);
                if !is_safe {
                    bail!("{error}");
                }
                (error, None)
            }
        };
        let pause = pause.unwrap_or(wait);
        wait *= 2;
        if Instant::now() + pause >= deadline {
            bail!("{error}; not sent again, because the time for exporting is over (DM_EXPORT_BUDGET)");
        }
        sleep(pause).await;
    }
}

async fn attempt(client: &Client, request: &Request) -> reqwest::Result<Response> {
    let built = client.request(request.method.clone(), request.url.clone());
    built.headers(request.headers.clone()).body(request.body.clone()).send().await
}

/// What a service said.
enum Answer {
    Accepted(Vec<u8>),
    /// It may accept the same later: why it did not now, and when, if it said that.
    Later(String, Option<Duration>),
}

async fn answer(service: &Service, response: Response, deadline: Instant) -> Result<Answer> {
    let status = response.status();
    if status.is_success() {
        // A body that is too long or too slow is no reason to send it again: it has arrived.
        let body = timeout_at(deadline, http::read_body(response, MAX_BODY_BYTES)).await;
        return Ok(Answer::Accepted(body.ok().and_then(Result::ok).unwrap_or_default()));
    }
    let retry_after = retry_after(&response);
    let reading = timeout_at(
        deadline.min(Instant::now() + FIRST_WAIT),
        http::read_body_prefix(response, MAX_ERROR_BYTES),
    );
    let body = reading.await.unwrap_or_default();
    let said = if body.is_empty() { String::new() } else { format!(" ({body})") };
    let error = format!("it answered {status}{said}");
    match status {
        StatusCode::TOO_MANY_REQUESTS => {
            Ok(Answer::Later(error, Some(retry_after.unwrap_or(DEFAULT_RETRY_AFTER))))
        }
        status if status.is_server_error() => Ok(Answer::Later(error, retry_after)),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => bail!("{error}: check {}", service.credential()),
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            bail!(
                "{error}: what it is sent to is gone, or not for these credentials: check {}",
                service.credential()
            )
        }
        status if status.is_redirection() => bail!("{error}: give the address that it redirects to"),
        _ => bail!("{error}"),
    }
}

/// The wait that the service asks for, in seconds; Discord sends fractions. A date, which none of the services sends, is
/// not read.
fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    Duration::try_from_secs_f64(text.trim().parse().ok()?).ok()
}
