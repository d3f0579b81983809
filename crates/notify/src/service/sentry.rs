//! Sentry: the release, and its deploy to the environment, once it has succeeded.
//!
//! <https://docs.sentry.io/api/releases/create-a-new-release-for-an-organization/>,
//! <https://docs.sentry.io/api/releases/create-a-deploy/>

use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde_json::json;
use url::Url;

use crate::notification::Notification;
use crate::request::{Request, Step, below};

/// The releases of an organization.
#[derive(Clone)]
pub(crate) struct Releases {
    /// The URL of Sentry.
    pub(super) url: Url,
    /// The slug of the organization.
    pub(super) organization: String,
    /// The slugs of the projects.
    pub(super) projects: Vec<String>,
    /// `Bearer` and the token.
    pub(super) authorization: HeaderValue,
}

impl Releases {
    /// The next request, after `done`.
    pub(super) fn request(&self, notification: &Notification, done: Option<Step>) -> Option<Request> {
        let version = notification.version.as_ref().filter(|_| notification.event.is_good())?;
        let releases = below(&self.url, &["api", "0", "organizations", &self.organization, "releases"]);
        let request = match done {
            None => {
                // A release that exists is not changed: it answers 208.
                let body = json!({ "version": version, "projects": self.projects });
                Request::post(Step::Create, below(&releases, &[""]), &body).repeatable()
            }
            Some(Step::Create) => {
                let body = json!({
                    "environment": notification.environment,
                    "name": notification.deployment,
                    "url": notification.run_url,
                    "dateStarted": notification.began,
                    "dateFinished": notification.at,
                    "projects": self.projects,
                });
                Request::post(Step::Update, below(&releases, &[version, "deploys", ""]), &body)
            }
            Some(_) => return None,
        };
        Some(request.with_header(AUTHORIZATION, self.authorization.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notification::Event;
    use crate::notification::tests::notification;

    #[test]
    fn a_success_is_a_release_and_a_deploy() {
        let releases = Releases {
            url: Url::parse("https://sentry.io/").unwrap(),
            organization: "acme".to_owned(),
            projects: vec!["shop".to_owned()],
            authorization: HeaderValue::from_static("Bearer x"),
        };
        let succeeded =
            Notification { version: Some("a/2".to_owned()), ..notification(Event::Succeeded, "x") };
        let release = releases.request(&succeeded, None).unwrap();
        assert_eq!(release.url.as_str(), "https://sentry.io/api/0/organizations/acme/releases/");
        let deploy = releases.request(&succeeded, Some(Step::Create)).unwrap();
        assert_eq!(deploy.url.as_str(), "https://sentry.io/api/0/organizations/acme/releases/a%2F2/deploys/");
        assert!(deploy.body.contains(r#""dateStarted":"2026-01-01T10:00:00Z""#), "{}", deploy.body);
        assert!(releases.request(&notification(Event::Failed, "x"), None).is_none());
    }
}
