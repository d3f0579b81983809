//! Where to look further: the run, the commit, the dashboard, the runbook.

use common::args::{EmptyAsNone, non_empty};
use common::http::parse_url;
use common::identity::Identity;
use common::label::Label;

use crate::deployment::Deployment;
use crate::sentence::{Conclusion, LiveState, Outcome};

/// The flags for the links.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct LinkArgs {
    /// The dashboard that the page links to, such as https://grafana.example.com/d/dm-deployment-pipeline; the page adds the
    /// service, the environment and the time
    #[arg(long, env = "DM_DASHBOARD_URL", value_name = "URL", value_parser = parse)]
    dashboard_url: Option<EmptyAsNone<String>>,
    /// The folder of the runbooks that the page links to, such as https://github.com/OWNER/REPOSITORY/blob/main/docs/runbooks
    #[arg(long, env = "DM_RUNBOOK_URL", value_name = "URL", value_parser = parse)]
    runbook_url: Option<EmptyAsNone<String>>,
}

/// The pages that belong to the installation, as URLs.
#[derive(Debug, Clone, Default)]
pub(crate) struct LinkBases {
    dashboard: Option<String>,
    runbooks: Option<String>,
}

fn parse(text: &str) -> Result<EmptyAsNone<String>, String> {
    EmptyAsNone::parse_with(text, |text| parse_url(text).map(String::from))
}

impl From<LinkArgs> for LinkBases {
    fn from(args: LinkArgs) -> Self {
        Self {
            dashboard: non_empty(args.dashboard_url.as_ref()),
            runbooks: non_empty(args.runbook_url.as_ref()),
        }
    }
}

/// The links about a deployment: names and URLs.
pub(crate) fn links(
    deployment: &Deployment<'_>,
    conclusion: &Conclusion,
    bases: &LinkBases,
) -> Vec<(String, String)> {
    let identity = deployment.identity;
    let run = identity.run_url.as_ref().and_then(|url| parse_url(url.as_str()).ok()).map(String::from);
    let named = |name: &str, url: Option<String>| url.map(|url| (name.to_owned(), url));
    let commit = identity.commit.as_ref().map(Label::as_str);
    let short = commit.map_or("", |commit| commit.get(..12).unwrap_or(commit));
    let page = run.as_deref().zip(commit).and_then(|(run, commit)| commit_page(run, commit));
    [
        named("run", run.clone()),
        named(&format!("commit {short}"), page),
        named("dashboard", bases.dashboard.as_ref().and_then(|base| dashboard(base, deployment))),
        named(
            "runbook",
            runbook(conclusion)
                .zip(bases.runbooks.as_ref())
                .map(|(name, base)| format!("{}/DEPLOYMENT_{name}.md", base.trim_end_matches('/'))),
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The page of the commit, if the page of the run is one of a system whose pages are known.
fn commit_page(run: &str, commit: &str) -> Option<String> {
    const PAGES: [(&str, &str); 3] = [
        ("/actions/runs/", "/commit/"),
        ("/-/pipelines/", "/-/commit/"),
        ("/pipelines/results/", "/commits/"),
    ];
    let is_hash = commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    let page = |(of_run, of_commit)| Some(format!("{}{of_commit}{commit}", run.split_once(of_run)?.0));
    PAGES.into_iter().find_map(page).filter(|_| is_hash)
}

/// The dashboard, showing this service at this time, with a minute before and after.
fn dashboard(base: &str, deployment: &Deployment<'_>) -> Option<String> {
    const MARGIN_MS: i64 = 60_000;
    let Identity { service, environment, .. } = deployment.identity;
    let mut url = parse_url(base).ok()?;
    url.query_pairs_mut()
        .append_pair("var-service", service.as_str())
        .append_pair("var-environment", environment.as_str())
        .append_pair("from", &(deployment.began.timestamp_millis() - MARGIN_MS).to_string())
        .append_pair("to", &(deployment.until.timestamp_millis() + MARGIN_MS).to_string());
    Some(url.into())
}

/// The name of the runbook for what happened; `None` if nothing has to be done.
fn runbook(conclusion: &Conclusion) -> Option<&'static str> {
    match conclusion.outcome {
        Outcome::Deployed | Outcome::Ended | Outcome::Skipped | Outcome::Running => return None,
        _ if matches!(conclusion.live, LiveState::RolledBack(_)) => return Some("DeploymentRolledBack"),
        _ => {}
    }
    let stage = conclusion.failed_stage.as_deref().unwrap_or_default();
    let is = |name: &str| stage.starts_with(name);
    Some(match stage {
        _ if conclusion.is_rollback_failed => "DeploymentRollbackFailed",
        _ if is("health check") => "HealthCheckFailuresPostDeploy",
        _ if is("migration") => "DatabaseMigrationSlow",
        _ if is("smoke test") => "SmokeTestsFailing",
        _ if is("watch") => "PostDeployErrorRateHigh",
        _ => "DeploymentFailed",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_a_commit_is_found_from_that_of_the_run() {
        for (run, expected) in [
            (
                "https://github.com/acme/shop/actions/runs/77",
                Some("https://github.com/acme/shop/commit/0123abc"),
            ),
            (
                "https://gitlab.com/acme/shop/-/pipelines/5001",
                Some("https://gitlab.com/acme/shop/-/commit/0123abc"),
            ),
            ("https://ci.example/job/9/", None),
        ] {
            assert_eq!(commit_page(run, "0123abc").as_deref(), expected);
        }
        assert_eq!(commit_page("https://github.com/acme/shop/actions/runs/77", "a](b"), None);
    }
}
