//! The flags of notifications.

use common::args::{EmptyAsNone, non_empty, parse_secret};
use common::env::Env;
use common::http::parse_url;
use secrecy::SecretString;

use crate::notification::Event;
use crate::service::Settings;

/// The variable with the URL of an Alertmanager.
const ALERTMANAGER_URL: &str = "ALERTMANAGER_URL";

/// Who is notified of what. Credentials are in variables or files only, so they have no flags.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Notifications")]
pub struct NotifyArgs {
    /// Notify people of the deployment: the URL of a webhook of Slack, Microsoft Teams or Discord; slack://CHANNEL, pagerduty,
    /// or webhook+URL. Several are separated by spaces. Such URLs are secrets: prefer the variable, or file:PATH
    #[arg(long, env = "DM_NOTIFY_URL", value_name = "URLS", hide_env_values = true, value_parser = parse_secret)]
    notify: Vec<EmptyAsNone<SecretString>>,
    /// What to notify of: any of started, succeeded, failed, rolled-back and restored, separated by commas
    /// [default: succeeded,failed,rolled-back,restored]
    #[arg(long, env = "DM_NOTIFY_ON", value_name = "EVENTS")]
    notify_on: Option<EmptyAsNone<String>>,
    /// What a webhook+URL gets: a template of JSON, such as '{"text": {{ text }}}', or file:PATH [default: all values]
    // It may contain a token.
    #[arg(long, env = "DM_NOTIFY_TEMPLATE", value_name = "TEMPLATE", hide_env_values = true, value_parser = parse_secret)]
    notify_template: Option<EmptyAsNone<SecretString>>,
    /// Report the statuses of the deployment to GitHub: of a new one, or of the one with this ID
    #[arg(long, env = "DM_GITHUB_DEPLOYMENT", value_name = "ID", num_args = 0..=1, require_equals = true, default_missing_value = "create")]
    github_deployment: Option<EmptyAsNone<String>>,
    /// Page of what is deployed, for GitHub
    #[arg(long, env = "DM_ENVIRONMENT_URL", value_name = "URL")]
    environment_url: Option<EmptyAsNone<String>>,
}

impl NotifyArgs {
    /// The services that are configured, and what is wrong. Nothing wrong stops a deployment.
    pub(crate) fn settings(&self, has_alertmanager: bool, env: &Env<'_>) -> (Settings, Vec<String>) {
        let url = non_empty(self.environment_url.as_ref()).map(|text| parse_url(&text));
        let problem = match &url {
            Some(Err(_)) => vec!["DM_ENVIRONMENT_URL is not an http or https URL".to_owned()],
            _ => Vec::new(),
        };
        let settings = Settings {
            addresses: self.notify.iter().filter_map(|EmptyAsNone(value)| value.clone()).collect(),
            template: non_empty(self.notify_template.as_ref()),
            github_deployment: non_empty(self.github_deployment.as_ref()),
            environment_url: url.and_then(Result::ok),
            has_alertmanager: has_alertmanager || env(ALERTMANAGER_URL).is_some(),
        };
        (settings, problem)
    }

    /// What people want to be notified of, and the words that are none of the choices.
    pub(crate) fn events(&self) -> (Vec<Event>, Vec<String>) {
        let Some(text) = non_empty(self.notify_on.as_ref()) else {
            return (
                Event::CHOICES.into_iter().filter(|event| *event != Event::Started).collect(),
                Vec::new(),
            );
        };
        let mut events = Vec::new();
        let mut problems = Vec::new();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match Event::CHOICES.iter().find(|event| event.as_str() == word.replace('_', "-")) {
                Some(event) => events.push(*event),
                None => problems.push(format!(
                    "DM_NOTIFY_ON: {} is none of started, succeeded, failed, rolled-back and restored",
                    common::term::text::short_line(word, 40)
                )),
            }
        }
        (events, problems)
    }
}
