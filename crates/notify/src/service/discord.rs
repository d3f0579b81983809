//! Discord: a webhook, whose message can be changed by its id.
//!
//! <https://docs.discord.com/developers/resources/webhook#execute-webhook>,
//! <https://docs.discord.com/developers/resources/webhook#edit-webhook-message>

use anyhow::{Result, anyhow};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use crate::notification::{Event, Notification};
use crate::record::Record;
use crate::request::{Request, Step, below};

/// The most characters of a message.
const MAX_CHARS: usize = 2000;

/// `SUPPRESS_EMBEDS`: no preview of the linked page.
const NO_EMBEDS: u32 = 1 << 2;

/// Posts the message, or changes the one that was posted before.
pub(super) fn request(url: &Url, notification: &Notification, record: &Record) -> Request {
    let body = json!({
        "content": content(notification),
        // Nobody is called, whatever the text says.
        "allowed_mentions": { "parse": [] },
        "flags": NO_EMBEDS,
    });
    if let Some(id) = &record.id {
        return Request::post(Step::Update, below(url, &["messages", id]), &body)
            .with_method(Method::PATCH)
            .repeatable();
    }
    let mut url = url.clone();
    // Otherwise the answer would not contain the id.
    url.query_pairs_mut().append_pair("wait", "true");
    Request::post(Step::Create, url, &body)
}

/// The message of an answer.
#[derive(Debug, Deserialize)]
struct Message {
    id: String,
}

/// Reads the id of the message.
pub(super) fn accept(body: &[u8], record: &mut Record) -> Result<()> {
    let message: Message =
        serde_json::from_slice(body).map_err(|_| anyhow!("the answer is not a message of Discord"))?;
    let is_id = message.id.len() <= 20 && message.id.bytes().all(|byte| byte.is_ascii_digit());
    record.id = Some(message.id).filter(|_| is_id);
    Ok(())
}

fn content(notification: &Notification) -> String {
    let sign = match notification.event {
        Event::Started => "⏳",
        Event::Succeeded | Event::Restored => "✅",
        Event::Failed => "❌",
        Event::RolledBack => "↩️",
        Event::Skipped => "⏩",
    };
    // A link between angle brackets has no preview either.
    let link = notification
        .run_url
        .as_ref()
        .map(|url| format!("\n<{}>", url.replace('>', "%3E")))
        .unwrap_or_default();
    let text = format!("{sign} **{}**\n{}", escape(&notification.title()), escape(&notification.text));
    let fitting = MAX_CHARS.saturating_sub(link.chars().count());
    text.chars().take(fitting).chain(link.chars()).collect()
}

/// Discord reads Markdown, and names between `<` and `>`.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        if "\\*_~`|<>[]()#-:@".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::notification::tests::notification;

    fn url() -> Url {
        Url::parse("https://discord.com/api/webhooks/1/token?thread_id=7").unwrap()
    }

    #[test]
    fn nobody_is_called_and_nothing_is_formatted() {
        let request = request(&url(), &notification(Event::Failed, "@everyone **x**"), &Record::default());
        assert_eq!(request.url.as_str(), "https://discord.com/api/webhooks/1/token?thread_id=7&wait=true");
        let body: Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!(body["allowed_mentions"], json!({ "parse": [] }));
        let expected = "❌ **shop 2.0 to production\\: failed**\n\\@everyone \\*\\*x\\*\\*\n<https://ci.example/runs/42>";
        assert_eq!(body["content"], expected);
    }

    #[test]
    fn the_second_message_of_a_deployment_changes_the_first() {
        let mut record = Record::default();
        accept(br#"{"id":"1234567890","content":"x"}"#, &mut record).unwrap();
        let request = request(&url(), &notification(Event::Succeeded, "x"), &record);
        let expected = "https://discord.com/api/webhooks/1/token/messages/1234567890?thread_id=7";
        assert_eq!((request.method, request.url.as_str()), (Method::PATCH, expected));
        accept(br#"{"id":"../../users"}"#, &mut record).unwrap();
        assert_eq!(record.id, None, "what is not an id gets into no URL");
    }

    #[test]
    fn a_long_text_fits() {
        let request = request(&url(), &notification(Event::Failed, &"*".repeat(1500)), &Record::default());
        let body: Value = serde_json::from_str(&request.body).unwrap();
        let content = body["content"].as_str().unwrap();
        assert!(content.chars().count() <= MAX_CHARS && content.ends_with("/runs/42>"));
    }
}
