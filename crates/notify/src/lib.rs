//! News of a deployment for people: messages to chats, incidents, and the pages of GitHub, Sentry and Grafana.
//!
//! It owns what each service gets, and what is remembered of it, so that a deployment is one message and one incident
//! ([`Notification`] to request: pure), and the client that sends it within the time for exporting ([`Notifiers`]). It does
//! not own the sentence about a deployment, which its tools write, or the alerts of Alertmanager, which dm-rollback posts.
//! It decides nothing: a service that fails costs a deployment a warning.
#![warn(missing_docs)]

mod args;
mod client;
mod digest;
mod memory;
mod notification;
mod notifiers;
mod record;
mod request;
mod service;

pub use args::NotifyArgs;
pub use notification::{Event, Notification};
pub use notifiers::{Announcement, NOTIFIED_BY, Notifiers, Pending, Surroundings};
