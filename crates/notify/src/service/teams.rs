//! Microsoft Teams: an Adaptive Card for the trigger "When a Teams webhook request is received" of Workflows.
//!
//! <https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using>,
//! <https://learn.microsoft.com/adaptive-cards/create/textfeatures>

use serde_json::{Value, json};
use url::Url;

use crate::notification::{Event, Notification};
use crate::request::{Request, Step};

/// A message, which cannot be changed later: the workflow accepts it (202) before it is posted.
pub(super) fn request(url: &Url, notification: &Notification) -> Request {
    let message = json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": card(notification),
        }],
    });
    Request::post(Step::Create, url.clone(), &message)
}

/// Only runs of text, which no client reads as Markdown; a `TextBlock` would be.
fn card(notification: &Notification) -> Value {
    let color = match notification.event {
        Event::Started | Event::Skipped => "default",
        Event::Succeeded | Event::Restored => "good",
        Event::RolledBack => "warning",
        Event::Failed => "attention",
    };
    let line = |text: &str, weight: &str, color: &str| {
        json!({
            "type": "RichTextBlock",
            "inlines": [{ "type": "TextRun", "text": text, "weight": weight, "color": color }],
        })
    };
    let mut card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": { "width": "Full" },
        "body": [
            line(&notification.title(), "bolder", color),
            line(&notification.text, "default", "default"),
        ],
    });
    if let Some(url) = &notification.run_url {
        card["actions"] = json!([{ "type": "Action.OpenUrl", "title": "Run", "url": url }]);
    }
    card
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notification::tests::notification;

    #[test]
    fn no_text_from_outside_is_in_a_block_that_is_read_as_markdown() {
        let hostile = "[click](https://evil.example) **x** <at>all</at> {{DATE(2017-02-14T06:00:00Z)}}";
        let url = Url::parse("https://x.example/workflows/1?sig=s").unwrap();
        let request = request(&url, &notification(Event::Failed, hostile));
        let body: Value = serde_json::from_str(&request.body).unwrap();
        let card = &body["attachments"][0]["content"];
        let blocks = card["body"].as_array().unwrap();
        assert!(blocks.iter().all(|block| block["type"] == "RichTextBlock"));
        assert_eq!(blocks[1]["inlines"][0]["text"], hostile);
        assert_eq!(card["actions"][0]["url"], "https://ci.example/runs/42");
    }
}
