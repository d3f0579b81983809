//! What was sent to a service, so that the next notification changes it and does not repeat it.

use serde::{Deserialize, Serialize};

use crate::notification::{Event, Notification};

/// The last that was sent to one service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The deployment that it was about.
    pub(crate) deployment: String,
    /// What was reported of that deployment; `None` since it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) event: Option<Event>,
    /// The id of the message, as the service named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    /// The channel of the message, where its id is not enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) channel: Option<String>,
    /// The version whose failure opened the last incident; the id of the deployment if it had no version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) incident: Option<String>,
}

impl Record {
    /// The record for a notification: of the same deployment, or a new one.
    pub(crate) fn about(&self, notification: &Notification) -> Self {
        let mut record = if self.deployment == notification.deployment {
            self.clone()
        } else {
            Self {
                deployment: notification.deployment.clone(),
                incident: self.incident.clone(),
                ..Self::default()
            }
        };
        if notification.event == Event::Started {
            // A job that is run again has the same id. What it reports is news.
            record.event = None;
        }
        record
    }

    /// Whether exactly this was reported before, and cannot be changed.
    pub(crate) fn is_repetition(&self, notification: &Notification) -> bool {
        self.event == Some(notification.event) && self.id.is_none()
    }
}
