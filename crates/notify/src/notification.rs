//! What happened to a deployment, as it is sent to people.

use std::fmt::{self, Display, Formatter};

use chrono::{DateTime, Utc};
use common::identity::Identity;
use common::label::Label;
use common::secrets::Redactor;
use common::term::text::short_line;
use serde::{Deserialize, Serialize};

/// The longest text, in bytes: what every service accepts after escaping.
const MAX_TEXT_BYTES: usize = 1500;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The deployment has begun.
    Started,
    /// It has succeeded.
    Succeeded,
    /// It has failed, and was not rolled back.
    Failed,
    /// It has failed, was rolled back, and what is live now was verified.
    RolledBack,
    /// It has succeeded after one that failed.
    Restored,
    /// It was skipped. Nobody chooses this: it only ends what began.
    Skipped,
}

impl Event {
    /// The events that people choose from.
    pub(crate) const CHOICES: [Self; 5] =
        [Self::Started, Self::Succeeded, Self::Failed, Self::RolledBack, Self::Restored];

    /// Whether the service works, as far as the deployment knows.
    pub(crate) fn is_good(self) -> bool {
        matches!(self, Self::Succeeded | Self::Restored)
    }

    /// The word for it, as in `DM_NOTIFY_ON`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::RolledBack => "rolled-back",
            Self::Restored => "restored",
            Self::Skipped => "skipped",
        }
    }
}

impl Display for Event {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What happened to a deployment. Its texts are single lines without secrets, control characters and marks of direction;
/// each service escapes them in its own way.
#[derive(Debug, Clone, Serialize)]
pub struct Notification {
    /// What happened.
    pub event: Event,
    /// One sentence about it.
    pub text: String,
    /// The service.
    pub service: String,
    /// The environment.
    pub environment: String,
    /// The id of the deployment.
    pub deployment: String,
    /// The version that is deployed.
    pub version: Option<String>,
    /// The full hash of the commit.
    pub commit: Option<String>,
    /// The branch.
    pub branch: Option<String>,
    /// Who started the deployment.
    pub actor: Option<String>,
    /// The page of the CI run.
    pub run_url: Option<String>,
    /// When the deployment began.
    pub began: DateTime<Utc>,
    /// When this happened.
    pub at: DateTime<Utc>,
    /// After a failure, whether the failed version may be live.
    pub is_in_doubt: bool,
}

impl Notification {
    /// A notification of a deployment that began at `began`. `text` may come from outside, and may contain secrets.
    pub fn new(
        identity: &Identity,
        event: Event,
        text: &str,
        (began, at): (DateTime<Utc>, DateTime<Utc>),
    ) -> Self {
        let optional = |label: &Option<Label>| label.as_ref().map(ToString::to_string);
        Self {
            event,
            text: short_line(&Redactor::default().with_environment().redact(text), MAX_TEXT_BYTES),
            service: identity.service.to_string(),
            environment: identity.environment.to_string(),
            deployment: identity.deployment.to_string(),
            version: optional(&identity.version),
            commit: optional(&identity.commit),
            branch: optional(&identity.branch),
            actor: optional(&identity.actor),
            run_url: optional(&identity.run_url).filter(|url| common::http::parse_url(url).is_ok()),
            began,
            at,
            is_in_doubt: event == Event::Failed,
        }
    }

    /// The same, if the failed version is known not to be live.
    #[must_use]
    pub fn without_doubt(self) -> Self {
        Self { is_in_doubt: false, ..self }
    }

    /// What it is about: `shop 2.0 to production: failed`.
    pub(crate) fn title(&self) -> String {
        let version = self.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
        format!("{}{version} to {}: {}", self.service, self.environment, self.event)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A notification of the deployment d-42 of shop 2.0.
    pub(crate) fn notification(event: Event, text: &str) -> Notification {
        let at = |text: &str| text.parse().unwrap();
        Notification {
            event,
            text: text.to_owned(),
            service: "shop".to_owned(),
            environment: "production".to_owned(),
            deployment: "d-42".to_owned(),
            version: Some("2.0".to_owned()),
            commit: Some("0123456789abcdef".to_owned()),
            branch: Some("main".to_owned()),
            actor: Some("ada".to_owned()),
            run_url: Some("https://ci.example/runs/42".to_owned()),
            began: at("2026-01-01T10:00:00Z"),
            at: at("2026-01-01T10:01:30Z"),
            is_in_doubt: event == Event::Failed,
        }
    }

    #[test]
    fn a_text_from_outside_is_one_line_without_secrets_and_marks_of_direction() {
        let identity = Identity::resolve(
            &common::args::DeploymentArgs::default(),
            &|_| None,
            std::path::Path::new("/nowhere/shop"),
        );
        let now = "2026-01-01T10:00:00Z".parse().unwrap();
        let text = "a\n\u{202e}b\x1b[1m postgres://ada:hunter22@db/x";
        let sent = Notification::new(&identity, Event::Failed, text, (now, now));
        assert!(!sent.text.contains("hunter22") && !sent.text.contains(common::term::text::is_unsafe));
        assert!(sent.text.starts_with("a  b [1m postgres://"), "{}", sent.text);
        assert!(sent.is_in_doubt && !sent.without_doubt().is_in_doubt);
    }
}
