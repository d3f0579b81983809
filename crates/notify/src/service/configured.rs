//! The services that are configured, with their credentials.

use anyhow::{Context as _, Result, anyhow, bail};
use common::env::Env;
use common::http::parse_url;
use common::secrets;
use reqwest::header::{HeaderMap, HeaderName};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::address::Address;
use super::{Service, bearer, github, grafana, pagerduty, sentry, slack, template};

/// The largest number of addresses.
const MAX_ADDRESSES: usize = 20;

/// What was given, apart from the variables of other programs.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// Addresses, several of them separated by spaces, or `file:PATH`.
    pub(crate) addresses: Vec<SecretString>,
    /// The template of a webhook, or `file:PATH`.
    pub(crate) template: Option<SecretString>,
    /// The deployment of GitHub: its id, or `create`.
    pub(crate) github_deployment: Option<String>,
    /// The page of what is deployed.
    pub(crate) environment_url: Option<Url>,
    /// Whether an Alertmanager opens the incidents.
    pub(crate) has_alertmanager: bool,
}

/// The services, and what is wrong with those that cannot be used.
pub(crate) fn configured(settings: &Settings, env: &Env<'_>) -> (Vec<Service>, Vec<String>) {
    let mut services = Vec::new();
    let mut problems = Vec::new();
    let mut add = |service: Result<Option<Service>>| match service {
        Ok(service) => services.extend(service),
        Err(error) => problems.push(format!("{error:#}")),
    };
    match addresses(settings) {
        Ok(addresses) => {
            for (number, text) in addresses.iter().enumerate() {
                let place =
                    if addresses.len() > 1 { format!(" (number {})", number + 1) } else { String::new() };
                add(Address::parse(text)
                    .map_err(|error| anyhow!("an address in DM_NOTIFY_URL{place} is wrong: {error}"))
                    .and_then(|address| from_address(address, settings, env)));
            }
        }
        Err(error) => add(Err(error)),
    }
    add(github(settings, env));
    add(sentry(env));
    add(grafana(env));
    (services, problems)
}

fn addresses(settings: &Settings) -> Result<Vec<String>> {
    let mut addresses = Vec::new();
    for given in &settings.addresses {
        let text = secrets::read(Some(given.clone())).context("DM_NOTIFY_URL")?.unwrap_or_default();
        addresses.extend(text.expose_secret().split_whitespace().map(str::to_owned));
    }
    if addresses.len() > MAX_ADDRESSES {
        bail!("DM_NOTIFY_URL has more than {MAX_ADDRESSES} addresses");
    }
    Ok(addresses)
}

fn from_address(address: Address, settings: &Settings, env: &Env<'_>) -> Result<Option<Service>> {
    Ok(Some(match address {
        Address::Slack(url) => Service::SlackWebhook(url),
        Address::SlackBot(api, channel) => {
            let token = secret("DM_SLACK_TOKEN", env)?
                .context("slack://CHANNEL needs the token of a bot in DM_SLACK_TOKEN")?;
            Service::SlackBot(slack::Bot {
                api,
                channel,
                authorization: bearer(&token).context("DM_SLACK_TOKEN")?,
            })
        }
        Address::Teams(url) => Service::Teams(url),
        Address::Discord(url) => Service::Discord(url),
        // It opens the incidents, and resolves them.
        Address::PagerDuty(_) if settings.has_alertmanager => return Ok(None),
        Address::PagerDuty(api) => {
            let routing_key = secret("PAGERDUTY_ROUTING_KEY", env)?
                .context("pagerduty needs the integration key in PAGERDUTY_ROUTING_KEY")?;
            Service::PagerDuty(pagerduty::Integration { api, routing_key })
        }
        Address::Webhook(url) => {
            let template = secrets::read(settings.template.clone()).context("DM_NOTIFY_TEMPLATE")?;
            let template = template.map(|text| text.expose_secret().to_owned());
            if let Some(template) = &template {
                template::check(template).context("DM_NOTIFY_TEMPLATE")?;
            }
            Service::Webhook(Box::new(template::Webhook { url, headers: headers(env)?, template }))
        }
    }))
}

fn headers(env: &Env<'_>) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    let lines = secret("DM_NOTIFY_HEADERS", env)?.unwrap_or_default();
    for line in lines.expose_secret().lines().filter(|line| !line.trim().is_empty()) {
        let (name, value) =
            line.split_once(':').context("DM_NOTIFY_HEADERS: write NAME: VALUE, one per line")?;
        let name: HeaderName =
            name.trim().parse().context("DM_NOTIFY_HEADERS: write NAME: VALUE, one per line")?;
        headers.insert(name, secrets::header_value(value.trim()).context("DM_NOTIFY_HEADERS")?);
    }
    Ok(headers)
}

fn github(settings: &Settings, env: &Env<'_>) -> Result<Option<Service>> {
    let Some(deployment) = &settings.github_deployment else { return Ok(None) };
    let id = match deployment.as_str() {
        "create" => None,
        id => Some(
            id.parse().ok().context("DM_GITHUB_DEPLOYMENT is neither create nor the id of a deployment")?,
        ),
    };
    let token = secret("GITHUB_TOKEN", env)?.context(
        "--github-deployment needs a token in GITHUB_TOKEN, with the permission deployments: write",
    )?;
    let repository = env("GITHUB_REPOSITORY")
        .filter(|name| name.split('/').filter(|part| !part.is_empty()).count() == 2)
        .context("--github-deployment needs the repository in GITHUB_REPOSITORY, as owner/name")?;
    let api = url("GITHUB_API_URL", env)?.map_or_else(|| known("https://api.github.com"), Ok)?;
    Ok(Some(Service::GitHub(github::Deployments {
        api,
        repository,
        authorization: bearer(&token).context("GITHUB_TOKEN")?,
        id,
        environment_url: settings.environment_url.clone(),
    })))
}

fn sentry(env: &Env<'_>) -> Result<Option<Service>> {
    let (Some(token), Some(organization), Some(projects)) =
        (secret("SENTRY_AUTH_TOKEN", env)?, env("SENTRY_ORG"), env("SENTRY_PROJECT"))
    else {
        return Ok(None);
    };
    let url = url("SENTRY_URL", env)?.map_or_else(|| known("https://sentry.io/"), Ok)?;
    let projects: Vec<String> = projects
        .split(|c: char| c == ',' || c.is_whitespace())
        .filter(|slug| !slug.is_empty())
        .map(str::to_owned)
        .collect();
    let authorization = bearer(&token).context("SENTRY_AUTH_TOKEN")?;
    Ok(Some(Service::Sentry(sentry::Releases { url, organization, projects, authorization })))
}

fn grafana(env: &Env<'_>) -> Result<Option<Service>> {
    let (Some(url), Some(token)) = (url("GRAFANA_URL", env)?, secret("GRAFANA_TOKEN", env)?) else {
        return Ok(None);
    };
    let authorization = bearer(&token).context("GRAFANA_TOKEN")?;
    Ok(Some(Service::Grafana(grafana::Annotations { url, authorization })))
}

/// The secret in a variable, or in the file that it names.
fn secret(name: &str, env: &Env<'_>) -> Result<Option<SecretString>> {
    let secret = secrets::read(env(name).map(Into::into)).with_context(|| name.to_owned())?;
    Ok(secret.filter(|secret| !secret.expose_secret().is_empty()))
}

fn url(name: &str, env: &Env<'_>) -> Result<Option<Url>> {
    // The error of the parser would show the value, which may contain a password.
    env(name)
        .map(|text| parse_url(&text).map_err(|_| anyhow!("{name} is not an http or https URL")))
        .transpose()
}

fn known(text: &str) -> Result<Url> {
    Ok(Url::parse(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(settings: &Settings, variables: &[(&str, &str)]) -> (Vec<&'static str>, Vec<String>) {
        let env =
            |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        let (services, problems) = configured(settings, &env);
        (services.iter().map(Service::name).collect(), problems)
    }

    #[test]
    fn what_is_configured_is_used_and_what_is_wrong_is_named() {
        let addresses = "https://hooks.slack.com/services/T/B/x pagerduty\nslack://C1 https://s3cret.example";
        let settings = Settings { addresses: vec![addresses.into()], ..Settings::default() };
        let (services, problems) =
            names(&settings, &[("PAGERDUTY_ROUTING_KEY", "r"), ("GRAFANA_URL", "http://g")]);
        assert_eq!(services, ["Slack", "PagerDuty"]);
        assert_eq!(problems[0], "slack://CHANNEL needs the token of a bot in DM_SLACK_TOKEN");
        assert!(
            problems[1].starts_with("an address in DM_NOTIFY_URL (number 4) is wrong: its host"),
            "{problems:?}"
        );
        assert!(problems.len() == 2 && !problems[1].contains("s3cret"));
        let sentry = [("SENTRY_AUTH_TOKEN", "t"), ("SENTRY_ORG", "acme"), ("SENTRY_PROJECT", "a,b")];
        assert_eq!(names(&Settings::default(), &sentry).0, ["Sentry"]);
        assert_eq!(names(&Settings::default(), &sentry[..2]).0, [""; 0]);
    }

    #[test]
    fn an_alertmanager_opens_the_incidents_alone() {
        let settings =
            Settings { addresses: vec!["pagerduty".into()], has_alertmanager: true, ..Settings::default() };
        assert_eq!(names(&settings, &[("PAGERDUTY_ROUTING_KEY", "r")]), (vec![], vec![]));
    }

    #[test]
    fn a_deployment_of_github_is_created_only_if_asked_for() {
        let variables = [("GITHUB_TOKEN", "t"), ("GITHUB_REPOSITORY", "acme/shop")];
        assert_eq!(names(&Settings::default(), &variables), (vec![], vec![]));
        let asked = |what: &str| Settings { github_deployment: Some(what.to_owned()), ..Settings::default() };
        assert_eq!(names(&asked("create"), &variables).0, ["GitHub"]);
        assert_eq!(names(&asked("42"), &variables).0, ["GitHub"]);
        assert!(names(&asked("x"), &variables).1[0].contains("neither create nor the id"));
        assert!(names(&asked("create"), &[]).1[0].contains("GITHUB_TOKEN"));
    }
}
