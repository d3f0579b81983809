//! Grafana: an annotation from the beginning of a deployment to its end, for every dashboard that shows its tags.
//!
//! <https://grafana.com/docs/grafana/latest/developer-resources/api-reference/http-api/annotations/>

use anyhow::{Result, anyhow};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use crate::notification::{Event, Notification};
use crate::record::Record;
use crate::request::{Request, Step, below};

/// The annotations of an organization.
#[derive(Clone)]
pub(crate) struct Annotations {
    /// The URL of Grafana.
    pub(super) url: Url,
    /// `Bearer` and the token of a service account.
    pub(super) authorization: HeaderValue,
}

impl Annotations {
    /// The annotation, or its change if another tool has made it.
    pub(super) fn request(&self, notification: &Notification, record: &Record) -> Option<Request> {
        if matches!(notification.event, Event::Started | Event::Skipped) {
            return None;
        }
        let tags = ["dm", "deployment"].map(str::to_owned).into_iter().chain([
            format!("service:{}", notification.service),
            format!("environment:{}", notification.environment),
            format!("event:{}", notification.event),
        ]);
        let body = json!({
            "time": notification.began.timestamp_millis(),
            "timeEnd": notification.at.timestamp_millis(),
            "tags": tags.collect::<Vec<_>>(),
            "text": format!("{}<br>{}", escape(&notification.title()), escape(&notification.text)),
        });
        let request = match &record.id {
            Some(id) => Request::post(Step::Update, below(&self.url, &["api", "annotations", id]), &body)
                .with_method(Method::PATCH)
                .repeatable(),
            None => Request::post(Step::Create, below(&self.url, &["api", "annotations"]), &body),
        };
        Some(request.with_header(AUTHORIZATION, self.authorization.clone()))
    }
}

/// The annotation of an answer.
#[derive(Debug, Deserialize)]
struct Created {
    id: u64,
}

/// Reads the id of the annotation.
pub(super) fn accept(step: Step, body: &[u8], record: &mut Record) -> Result<()> {
    if step == Step::Create {
        let created: Created = serde_json::from_slice(body)
            .map_err(|_| anyhow!("the answer is not an annotation of Grafana"))?;
        record.id = Some(created.id.to_string());
    }
    Ok(())
}

/// Grafana shows the text as HTML.
fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notification::tests::notification;

    #[test]
    fn an_annotation_lasts_as_long_as_the_deployment() {
        let annotations = Annotations {
            url: Url::parse("https://grafana.example/sub/").unwrap(),
            authorization: HeaderValue::from_static("Bearer x"),
        };
        let failed = notification(Event::Failed, "<img src=x onerror=alert(1)>");
        let mut record = Record::default();
        let request = annotations.request(&failed, &record).unwrap();
        assert_eq!(request.url.as_str(), "https://grafana.example/sub/api/annotations");
        let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!(body["timeEnd"].as_i64().unwrap() - body["time"].as_i64().unwrap(), 90_000);
        assert!(!body["text"].as_str().unwrap().contains("<img"));
        accept(Step::Create, br#"{"message":"Annotation added","id":1}"#, &mut record).unwrap();
        assert_eq!(annotations.request(&failed, &record).unwrap().method, Method::PATCH);
        assert!(annotations.request(&notification(Event::Started, "x"), &record).is_none());
    }
}
