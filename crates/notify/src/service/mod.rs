//! The services that are notified. Pure: from a notification and what was sent before to the next request, and from its
//! answer to what is remembered.

mod address;
mod configured;
mod discord;
mod github;
mod grafana;
mod pagerduty;
mod sentry;
mod slack;
mod teams;
mod template;

use std::fmt;

use anyhow::Result;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::digest::digest;
use crate::notification::{Event, Notification};
use crate::record::Record;
use crate::request::{Request, Step};

pub(crate) use configured::{Settings, configured};

/// A service, with its address and its credentials.
#[derive(Clone)]
pub(crate) enum Service {
    SlackWebhook(Url),
    SlackBot(slack::Bot),
    Teams(Url),
    Discord(Url),
    PagerDuty(pagerduty::Integration),
    Webhook(Box<template::Webhook>),
    GitHub(github::Deployments),
    Sentry(sentry::Releases),
    Grafana(grafana::Annotations),
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Addresses and credentials are secrets.
        f.write_str(self.name())
    }
}

impl Service {
    /// Its name, for messages.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::SlackWebhook(_) | Self::SlackBot(_) => "Slack",
            Self::Teams(_) => "Microsoft Teams",
            Self::Discord(_) => "Discord",
            Self::PagerDuty(_) => "PagerDuty",
            Self::Webhook(_) => "the webhook",
            Self::GitHub(_) => "GitHub",
            Self::Sentry(_) => "Sentry",
            Self::Grafana(_) => "Grafana",
        }
    }

    /// The setting with the credential, for the message about one that is refused.
    pub(crate) fn credential(&self) -> &'static str {
        match self {
            Self::SlackWebhook(_) | Self::Teams(_) | Self::Discord(_) => "the URL in DM_NOTIFY_URL",
            Self::SlackBot(_) => "DM_SLACK_TOKEN",
            Self::PagerDuty(_) => "PAGERDUTY_ROUTING_KEY",
            Self::Webhook(_) => "the URL in DM_NOTIFY_URL, and DM_NOTIFY_HEADERS",
            Self::GitHub(_) => "GITHUB_TOKEN, and that it has the permission deployments: write",
            Self::Sentry(_) => "SENTRY_AUTH_TOKEN, and that it has the scope project:releases",
            Self::Grafana(_) => "GRAFANA_TOKEN, and that it may create annotations",
        }
    }

    /// The credentials: what no message may contain.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let of_url = |url: &Url| {
            let mut parts = vec![url.to_string(), url.path().trim_matches('/').to_owned()];
            parts.extend(url.path().split('/').filter(|part| part.len() > 8).map(str::to_owned));
            parts.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
            parts
        };
        let of_header = |value: &HeaderValue| {
            let text = value.to_str().unwrap_or_default();
            vec![text.trim_start_matches("Bearer ").to_owned(), text.to_owned()]
        };
        match self {
            Self::SlackWebhook(url) | Self::Teams(url) | Self::Discord(url) => of_url(url),
            Self::SlackBot(bot) => of_header(&bot.authorization),
            Self::PagerDuty(integration) => vec![integration.routing_key.expose_secret().to_owned()],
            Self::Webhook(webhook) => {
                let headers = webhook.headers.values().flat_map(of_header);
                of_url(&webhook.url).into_iter().chain(headers).collect()
            }
            Self::GitHub(github) => of_header(&github.authorization),
            Self::Sentry(sentry) => of_header(&sentry.authorization),
            Self::Grafana(grafana) => of_header(&grafana.authorization),
        }
    }

    /// The key under which it is remembered: another address or channel has another one. It discloses neither.
    pub(crate) fn key(&self) -> String {
        let address = match self {
            Self::SlackWebhook(url) | Self::Teams(url) | Self::Discord(url) => url.to_string(),
            Self::SlackBot(bot) => format!("{} {}", bot.api, bot.channel),
            Self::PagerDuty(pagerduty) => {
                format!("{} {}", pagerduty.api, pagerduty.routing_key.expose_secret())
            }
            Self::Webhook(webhook) => webhook.url.to_string(),
            Self::GitHub(github) => format!("{} {}", github.api, github.repository),
            Self::Sentry(sentry) => format!("{} {}", sentry.url, sentry.organization),
            Self::Grafana(grafana) => grafana.url.to_string(),
        };
        digest(&format!("{} {address}", self.name()))
    }

    /// The next request, after `done`; `None` if there is nothing more to send. `is_wanted` says whether people chose this
    /// event; a message that is there already is changed in any case.
    ///
    /// # Errors
    /// The template is wrong.
    pub(crate) fn request(
        &self,
        notification: &Notification,
        record: &Record,
        (is_wanted, done): (bool, Option<Step>),
    ) -> Result<Option<Request>> {
        match self {
            Self::PagerDuty(it) => return Ok(it.request(notification, (record, is_wanted), done)),
            Self::GitHub(it) => return Ok(it.request(notification, record, done)),
            Self::Sentry(it) => return Ok(it.request(notification, done)),
            _ if done.is_some() => return Ok(None),
            Self::Grafana(it) => return Ok(it.request(notification, record)),
            _ => {}
        }
        let is_new = is_wanted && notification.event != Event::Skipped && !record.is_repetition(notification);
        if record.id.is_none() && !is_new {
            return Ok(None);
        }
        Ok(Some(match self {
            Self::SlackWebhook(url) => slack::webhook(url, notification),
            Self::SlackBot(bot) => bot.request(notification, record),
            Self::Teams(url) => teams::request(url, notification),
            Self::Discord(url) => discord::request(url, notification, record),
            Self::Webhook(webhook) => webhook.request(notification)?,
            Self::PagerDuty(_) | Self::GitHub(_) | Self::Sentry(_) | Self::Grafana(_) => return Ok(None),
        }))
    }

    /// Reads what is remembered from the answer to a request.
    ///
    /// # Errors
    /// The answer is an error, or not one of this service.
    pub(crate) fn accept(
        &self,
        (step, body): (Step, &[u8]),
        notification: &Notification,
        record: &mut Record,
    ) -> Result<()> {
        match self {
            Self::SlackBot(_) => slack::accept(body, record)?,
            Self::Discord(_) => discord::accept(body, record)?,
            Self::GitHub(_) => github::accept(step, body, record)?,
            Self::Grafana(_) => grafana::accept(step, body, record)?,
            Self::PagerDuty(_) => pagerduty::accept(step, notification, record),
            Self::SlackWebhook(_) | Self::Teams(_) | Self::Webhook(_) | Self::Sentry(_) => {}
        }
        Ok(())
    }
}

/// `Bearer` and a token, as the value of `Authorization`.
fn bearer(token: &SecretString) -> Result<HeaderValue> {
    common::secrets::header_value(&format!("Bearer {}", token.expose_secret()))
}
