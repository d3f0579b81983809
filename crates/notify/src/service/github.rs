//! GitHub: the statuses of a deployment, which the pages of the repository and of its environments show.
//!
//! <https://docs.github.com/en/rest/deployments/deployments#create-a-deployment>,
//! <https://docs.github.com/en/rest/deployments/statuses#create-a-deployment-status>

use anyhow::{Context as _, Result};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use crate::notification::{Event, Notification};
use crate::record::Record;
use crate::request::{Request, Step, below};

/// The most characters of a description.
const MAX_DESCRIPTION_CHARS: usize = 140;

/// The version of the API that this speaks.
const API_VERSION: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-github-api-version"), HeaderValue::from_static("2022-11-28"));

/// The deployments of a repository.
#[derive(Clone)]
pub(crate) struct Deployments {
    /// The URL of the API.
    pub(super) api: Url,
    /// `owner/name`.
    pub(super) repository: String,
    /// `Bearer` and the token.
    pub(super) authorization: HeaderValue,
    /// The deployment that exists; `None` to create one.
    pub(super) id: Option<u64>,
    /// The page of what is deployed.
    pub(super) environment_url: Option<Url>,
}

impl Deployments {
    /// The next request, after `done`: creates the deployment, if that is necessary, and then its status.
    pub(super) fn request(
        &self,
        notification: &Notification,
        record: &Record,
        done: Option<Step>,
    ) -> Option<Request> {
        let given = self.id.map(|id| id.to_string());
        match (given.as_ref().or(record.id.as_ref()), done) {
            (_, Some(Step::Update)) => None,
            (Some(id), _) => Some(self.status(id, notification, record)),
            (None, None) => Some(self.create(notification)?),
            (None, _) => None,
        }
    }

    fn create(&self, notification: &Notification) -> Option<Request> {
        // Without a commit there is nothing that GitHub could deploy.
        let reference = notification.commit.as_ref().or(notification.branch.as_ref())?;
        let body = json!({
            "ref": reference,
            "environment": notification.environment,
            "description": short(&notification.title()),
            // It is deployed already: nothing is merged, and no check is waited for.
            "auto_merge": false,
            "required_contexts": [],
            "payload": { "service": notification.service, "deployment": notification.deployment },
        });
        Some(self.post(Step::Create, &["deployments"], &body))
    }

    fn status(&self, id: &str, notification: &Notification, record: &Record) -> Request {
        let state = match notification.event {
            Event::Started => "in_progress",
            Event::Succeeded | Event::Restored => "success",
            // It was live, and is not any more.
            Event::RolledBack if record.event.is_some_and(Event::is_good) => "inactive",
            Event::Failed | Event::RolledBack => "failure",
            Event::Skipped => "inactive",
        };
        let mut body = json!({
            "state": state,
            "description": short(&notification.text),
            "auto_inactive": true,
        });
        if let Some(url) = &notification.run_url {
            body["log_url"] = url.as_str().into();
        }
        if let Some(url) = &self.environment_url {
            body["environment_url"] = url.as_str().into();
        }
        self.post(Step::Update, &["deployments", id, "statuses"], &body)
    }

    fn post(&self, step: Step, path: &[&str], body: &serde_json::Value) -> Request {
        let segments: Vec<&str> = ["repos"].into_iter().chain(self.repository.split('/')).collect();
        let url = below(&below(&self.api, &segments), path);
        Request::post(step, url, body)
            .with_header(ACCEPT, HeaderValue::from_static("application/vnd.github+json"))
            .with_header(API_VERSION.0, API_VERSION.1)
            .with_header(AUTHORIZATION, self.authorization.clone())
    }
}

/// The deployment of an answer.
#[derive(Debug, Deserialize)]
struct Created {
    id: u64,
}

/// Reads the id of the deployment that was created.
pub(super) fn accept(step: Step, body: &[u8], record: &mut Record) -> Result<()> {
    if step == Step::Create {
        let created: Created =
            serde_json::from_slice(body).context("the answer is not a deployment of GitHub")?;
        record.id = Some(created.id.to_string());
    }
    Ok(())
}

fn short(text: &str) -> String {
    if text.chars().count() <= MAX_DESCRIPTION_CHARS {
        return text.to_owned();
    }
    text.chars().take(MAX_DESCRIPTION_CHARS - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notification::tests::notification;

    fn deployments(id: Option<u64>) -> Deployments {
        Deployments {
            api: Url::parse("https://api.github.com").unwrap(),
            repository: "acme/shop".to_owned(),
            authorization: HeaderValue::from_static("Bearer x"),
            id,
            environment_url: Url::parse("https://shop.example").ok(),
        }
    }

    #[test]
    fn a_deployment_is_created_once_and_then_has_statuses() {
        let github = deployments(None);
        let mut record = Record::default();
        let started = notification(Event::Started, "started");
        let create = github.request(&started, &record, None).unwrap();
        assert_eq!(create.url.as_str(), "https://api.github.com/repos/acme/shop/deployments");
        accept(Step::Create, br#"{"id":42}"#, &mut record).unwrap();
        let status = github.request(&started, &record, Some(Step::Create)).unwrap();
        assert_eq!(status.url.as_str(), "https://api.github.com/repos/acme/shop/deployments/42/statuses");
        let body: serde_json::Value = serde_json::from_str(&status.body).unwrap();
        assert_eq!(
            body,
            json!({
                "state": "in_progress", "description": "started", "auto_inactive": true,
                "log_url": "https://ci.example/runs/42", "environment_url": "https://shop.example/",
            })
        );
        assert!(github.request(&started, &record, Some(Step::Update)).is_none());
    }

    #[test]
    fn a_version_that_was_live_and_is_rolled_back_is_inactive() {
        let state = |before, event| {
            let record = Record { event: before, ..Record::default() };
            let text = "ü".repeat(300);
            let request = deployments(Some(7)).request(&notification(event, &text), &record, None).unwrap();
            let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
            assert_eq!(body["description"].as_str().unwrap().chars().count(), MAX_DESCRIPTION_CHARS);
            body["state"].as_str().unwrap().to_owned()
        };
        assert_eq!(state(Some(Event::Started), Event::RolledBack), "failure");
        assert_eq!(state(Some(Event::Succeeded), Event::RolledBack), "inactive");
        assert_eq!(state(None, Event::Failed), "failure");
        assert_eq!(state(None, Event::Skipped), "inactive");
        assert_eq!(state(Some(Event::Started), Event::Restored), "success");
    }
}
