//! The addresses in `DM_NOTIFY_URL`: a URL that a service gave, or `KIND+URL`, or the name of a kind.

use common::http::parse_url;
use url::Url;

/// An address, without credentials of other settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Slack(Url),
    /// A channel that a bot writes to, and the URL in front of the names of methods.
    SlackBot(Url, String),
    Teams(Url),
    Discord(Url),
    PagerDuty(Url),
    Webhook(Url),
}

/// The hosts of the webhooks of Teams: of Power Automate, of the one before, and of connectors.
const TEAMS: [&str; 3] = [".api.powerplatform.com", ".logic.azure.com", ".webhook.office.com"];

const KINDS: &str = "the URL of a webhook of Slack, Microsoft Teams or Discord; slack://CHANNEL, pagerduty; or \
                     slack+URL, teams+URL, discord+URL, pagerduty+URL, webhook+URL";

impl Address {
    /// Reads an address. The error does not show it: it may be a secret.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text == "pagerduty" {
            return Ok(Self::PagerDuty(known("https://events.pagerduty.com")?));
        }
        if let Some(channel) = text.strip_prefix("slack://") {
            return Ok(Self::SlackBot(known("https://slack.com/api")?, channel_id(channel)?));
        }
        if let Some((kind, url)) =
            text.split_once('+').filter(|(kind, _)| kind.bytes().all(|b| b.is_ascii_lowercase()))
        {
            let url = known(url)?;
            return Ok(match kind {
                "slack" => match url.query_pairs().find(|(name, _)| name == "channel") {
                    Some((_, channel)) => {
                        let mut api = url.clone();
                        api.set_query(None);
                        Self::SlackBot(api, channel_id(&channel)?)
                    }
                    None => Self::Slack(url),
                },
                "teams" => Self::Teams(url),
                "discord" => Self::Discord(url),
                "pagerduty" => Self::PagerDuty(url),
                "webhook" => Self::Webhook(url),
                _ => return Err(format!("it begins with a kind that is not known; give {KINDS}")),
            });
        }
        let url = known(text)?;
        let host = url.host_str().unwrap_or_default();
        match host {
            "hooks.slack.com" | "hooks.slack-gov.com" => Ok(Self::Slack(url)),
            "discord.com" | "discordapp.com" | "ptb.discord.com" | "canary.discord.com" => {
                Ok(Self::Discord(url))
            }
            "events.pagerduty.com" | "events.eu.pagerduty.com" => Ok(Self::PagerDuty(url)),
            _ if TEAMS.iter().any(|suffix| host.ends_with(suffix)) => Ok(Self::Teams(url)),
            _ => Err(format!("its host is of no service that is known; give {KINDS}")),
        }
    }
}

/// The URL; an error without its text.
fn known(text: &str) -> Result<Url, String> {
    parse_url(text).map_err(|_| format!("it is not an address; give {KINDS}"))
}

fn channel_id(text: &str) -> Result<String, String> {
    let is_name = |c: char| c.is_alphanumeric() || "-_#".contains(c);
    match text {
        "" => Err("the channel is missing: slack://C0123456789".to_owned()),
        text if text.chars().all(is_name) && text.len() <= 80 => Ok(text.to_owned()),
        _ => Err("the channel is none: give its id, as in slack://C0123456789".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn the_host_says_which_service_it_is_and_a_kind_says_it_for_any_host() {
        let slack = "https://hooks.slack.com/services/T/B/x";
        assert_eq!(Address::parse(slack), Ok(Address::Slack(url(slack))));
        let teams =
            "https://prod-1.westeurope.logic.azure.com:443/workflows/1/triggers/manual/paths/invoke?sig=s";
        assert_eq!(Address::parse(teams), Ok(Address::Teams(url(teams))));
        let discord = "https://discord.com/api/webhooks/1/token";
        assert_eq!(Address::parse(discord), Ok(Address::Discord(url(discord))));
        let bot = Address::SlackBot(url("https://slack.com/api"), "C1".to_owned());
        assert_eq!(Address::parse("slack://C1"), Ok(bot));
        let bot = Address::SlackBot(url("http://127.0.0.1:1/api"), "C1".to_owned());
        assert_eq!(Address::parse("slack+http://127.0.0.1:1/api?channel=C1"), Ok(bot));
        let eu = Address::PagerDuty(url("https://events.eu.pagerduty.com"));
        assert_eq!(Address::parse("pagerduty+https://events.eu.pagerduty.com"), Ok(eu));
        assert_eq!(Address::parse("webhook+http://x/y"), Ok(Address::Webhook(url("http://x/y"))));
    }

    #[test]
    fn an_error_does_not_show_the_address() {
        for text in [
            "https://example.com/s3cret",
            "s3cret",
            "mail+https://example.com/s3cret",
            "slack://s3cret/x",
            "slack+s3cret",
        ] {
            let error = Address::parse(text).unwrap_err();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
