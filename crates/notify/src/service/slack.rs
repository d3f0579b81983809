//! Slack: an incoming webhook, or `chat.postMessage` and `chat.update` with a bot token.
//!
//! <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/>,
//! <https://docs.slack.dev/reference/methods/chat.postMessage>, <https://docs.slack.dev/reference/methods/chat.update>;
//! text:
//! <https://docs.slack.dev/messaging/formatting-message-text/>, <https://docs.slack.dev/reference/block-kit/blocks/rich-text-block>

use anyhow::{Result, anyhow, bail};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::notification::{Event, Notification};
use crate::record::Record;
use crate::request::{Request, Step, below};

/// A channel, written to by a bot.
#[derive(Clone)]
pub(crate) struct Bot {
    /// The URL in front of the names of methods.
    pub(super) api: Url,
    /// The id of the channel.
    pub(super) channel: String,
    /// `Bearer` and the token.
    pub(super) authorization: HeaderValue,
}

/// A message to an incoming webhook, which cannot be changed later.
pub(super) fn webhook(url: &Url, notification: &Notification) -> Request {
    Request::post(Step::Create, url.clone(), &message(notification))
}

impl Bot {
    /// Posts the message, or changes the one that was posted before.
    pub(super) fn request(&self, notification: &Notification, record: &Record) -> Request {
        let mut body = message(notification);
        let request = if let (Some(channel), Some(id)) = (&record.channel, &record.id) {
            body["channel"] = channel.as_str().into();
            body["ts"] = id.as_str().into();
            Request::post(Step::Update, below(&self.api, &["chat.update"]), &body).repeatable()
        } else {
            body["channel"] = self.channel.as_str().into();
            Request::post(Step::Create, below(&self.api, &["chat.postMessage"]), &body)
        };
        request.with_header(AUTHORIZATION, self.authorization.clone())
    }
}

/// The answer of a method. Errors have the status 200, too.
#[derive(Debug, Deserialize)]
struct Answer {
    ok: bool,
    error: Option<String>,
    channel: Option<String>,
    ts: Option<String>,
}

/// Reads the channel and the id of the message.
pub(super) fn accept(body: &[u8], record: &mut Record) -> Result<()> {
    let answer: Answer =
        serde_json::from_slice(body).map_err(|_| anyhow!("the answer is not from Slack's Web API"))?;
    if !answer.ok {
        let advice = match answer.error.as_deref().unwrap_or_default() {
            "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" | "account_inactive" => {
                ": check DM_SLACK_TOKEN"
            }
            "missing_scope" => ": give the bot the scope chat:write",
            "not_in_channel" | "channel_not_found" => {
                ": invite the bot to the channel, and give the channel's id"
            }
            _ => "",
        };
        let error = answer.error.unwrap_or_else(|| "an error without a name".to_owned());
        bail!("it answered {}{advice}", common::term::text::short_line(&error, 100));
    }
    (record.channel, record.id) = (answer.channel, answer.ts);
    Ok(())
}

fn message(notification: &Notification) -> Value {
    let sign = match notification.event {
        Event::Started => "hourglass_flowing_sand",
        Event::Succeeded | Event::Restored => "white_check_mark",
        Event::Failed => "x",
        Event::RolledBack => "leftwards_arrow_with_hook",
        Event::Skipped => "fast_forward",
    };
    let title = notification.title();
    let mut line = vec![
        json!({ "type": "text", "text": title, "style": { "bold": true } }),
        json!({ "type": "text", "text": format!("\n{}", notification.text) }),
    ];
    if let Some(url) = &notification.run_url {
        line.push(json!({ "type": "text", "text": "\n" }));
        line.push(json!({ "type": "link", "url": url, "text": format!("run {}", notification.deployment) }));
    }
    line.insert(0, json!({ "type": "emoji", "name": sign }));
    line.insert(1, json!({ "type": "text", "text": " " }));
    json!({
        // What a phone shows before the message is opened.
        "text": escape(&format!("{title}: {}", notification.text)),
        // Rich text is shown as it is: nothing in it is read as a mention, a link or a format.
        "blocks": [{ "type": "rich_text", "elements": [{ "type": "rich_text_section", "elements": line }] }],
        "unfurl_links": false,
        "unfurl_media": false,
    })
}

/// In a plain text, Slack reads mentions such as `<!channel>`, and links, between angle brackets.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notification::tests::notification;

    #[test]
    fn a_text_from_outside_calls_nobody_and_formats_nothing() {
        let hostile = "<!channel> <@U1> a & b *x*";
        let sent = message(&notification(Event::Failed, hostile));
        let expected = "shop 2.0 to production: failed: &lt;!channel&gt; &lt;@U1&gt; a &amp; b *x*";
        assert_eq!(sent["text"], expected);
        let line = &sent["blocks"][0]["elements"][0]["elements"];
        assert_eq!(
            (&line[0], &line[3]),
            (
                &json!({ "type": "emoji", "name": "x" }),
                &json!({ "type": "text", "text": format!("\n{hostile}") }),
            )
        );
        assert_eq!(line[5]["url"], "https://ci.example/runs/42");
    }

    #[test]
    fn the_second_message_of_a_deployment_changes_the_first() {
        let bot = Bot {
            api: Url::parse("https://slack.com/api").unwrap(),
            channel: "C1".to_owned(),
            authorization: HeaderValue::from_static("Bearer x"),
        };
        let mut record = Record::default();
        let first = bot.request(&notification(Event::Started, "a"), &record);
        assert_eq!(first.url.as_str(), "https://slack.com/api/chat.postMessage");
        accept(br#"{"ok":true,"channel":"C1","ts":"1405894322.002768"}"#, &mut record).unwrap();
        let second = bot.request(&notification(Event::Succeeded, "b"), &record);
        assert_eq!(second.url.as_str(), "https://slack.com/api/chat.update");
        let body: Value = serde_json::from_str(&second.body).unwrap();
        assert_eq!((&body["ts"], &body["channel"]), (&json!("1405894322.002768"), &json!("C1")));
    }

    #[test]
    fn an_error_with_status_200_says_what_to_do() {
        let error = |body: &[u8]| accept(body, &mut Record::default()).unwrap_err().to_string();
        assert_eq!(
            error(br#"{"ok":false,"error":"invalid_auth"}"#),
            "it answered invalid_auth: check DM_SLACK_TOKEN"
        );
        assert_eq!(error(b"<html>"), "the answer is not from Slack's Web API");
    }
}
