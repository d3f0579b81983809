//! The CI run, from the CI system's variables. Each system is a row in a table, not code.

mod job;
mod systems;

use crate::env::Env;
pub use job::CiJob;
use systems::{SYSTEMS, System};

/// What a CI system says about the run. Every part may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct CiRun {
    /// The repository or service.
    pub(super) service: Option<String>,
    /// The environment that is deployed to.
    pub(super) environment: Option<String>,
    /// The tag or release.
    pub(super) version: Option<String>,
    /// The full commit hash.
    pub(super) commit: Option<String>,
    /// The branch; on some systems the name of the tag if a tag is built.
    pub(super) branch: Option<String>,
    /// The user who started the run.
    pub(super) actor: Option<String>,
    /// An id that is unique to this attempt of this run.
    pub(super) run_id: Option<String>,
    /// The page of the run.
    pub(super) run_url: Option<String>,
}

/// Detects the run. Empty outside a known CI system.
pub(super) fn detect(env: &Env<'_>) -> CiRun {
    let Some(system) = system(env) else { return CiRun::default() };
    CiRun {
        service: fill(system.service, env).map(|name| repository(&name).to_owned()),
        environment: fill(system.environment, env),
        version: fill(system.version, env),
        // Buildkite says HEAD if nobody chose a commit.
        commit: fill(system.commit, env).filter(|hash| hash.bytes().all(|byte| byte.is_ascii_hexdigit())),
        branch: fill(system.branch, env),
        actor: fill(system.actor, env),
        run_id: fill(system.run_id, env),
        run_url: fill(system.run_url, env),
    }
}

/// The CI system that runs this process.
fn system(env: &Env<'_>) -> Option<&'static System> {
    SYSTEMS.iter().find(|system| env(system.marker).is_some())
}

/// The name in `owner/name` or in a clone URL. With the owner, each fork would be a different service.
fn repository(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    let name = path.rsplit('/').next().unwrap_or(path);
    name.strip_suffix(".git").unwrap_or(name)
}

fn fill(template: &str, env: &Env<'_>) -> Option<String> {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, tail) = after.split_once('}')?;
        filled.push_str(before);
        filled.push_str(&env(name)?);
        rest = tail;
    }
    filled.push_str(rest);
    (!filled.is_empty()).then_some(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detected(variables: &str) -> CiRun {
        let parse =
            |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        let variables: Vec<_> = variables.split_whitespace().filter_map(parse).collect();
        detect(&|name| variables.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone()))
    }

    /// What each system sets, and the service, environment, version, commit, branch, actor, run id, number and URL
    /// in it, `-` for none.
    const RUNS: [(&str, &str); SYSTEMS.len()] = [
        (
            "GITHUB_ACTIONS=true \
             GITHUB_REPOSITORY=acme/shop \
             GITHUB_SHA=0123abc \
             GITHUB_REF_NAME=main \
             GITHUB_ACTOR=ada \
             GITHUB_RUN_ID=77 \
             GITHUB_RUN_ATTEMPT=2 \
             GITHUB_SERVER_URL=https://github.com",
            "shop - - 0123abc main ada 77-2 https://github.com/acme/shop/actions/runs/77",
        ),
        (
            "GITLAB_CI=true \
             CI_PROJECT_NAME=shop \
             CI_ENVIRONMENT_NAME=production \
             CI_COMMIT_TAG=v2 \
             CI_COMMIT_SHA=0123abc \
             CI_COMMIT_REF_NAME=v2 \
             GITLAB_USER_LOGIN=ada \
             CI_PIPELINE_ID=5001 \
             CI_PIPELINE_URL=https://gitlab.com/acme/shop/-/pipelines/5001",
            "shop production v2 0123abc v2 ada 5001 https://gitlab.com/acme/shop/-/pipelines/5001",
        ),
        (
            "CIRCLECI=true \
             CIRCLE_PROJECT_REPONAME=shop \
             CIRCLE_TAG=v2 \
             CIRCLE_SHA1=0123abc \
             CIRCLE_BRANCH=main \
             CIRCLE_USERNAME=ada \
             CIRCLE_WORKFLOW_ID=f6a7-1 \
             CIRCLE_BUILD_URL=https://circleci.com/gh/acme/shop/9",
            "shop - v2 0123abc main ada f6a7-1 https://circleci.com/gh/acme/shop/9",
        ),
        (
            "BUILDKITE=true \
             BUILDKITE_PIPELINE_SLUG=shop \
             BUILDKITE_COMMIT=HEAD \
             BUILDKITE_BRANCH=main \
             BUILDKITE_BUILD_CREATOR=Ada \
             BUILDKITE_BUILD_ID=0190-1 \
             BUILDKITE_BUILD_URL=https://buildkite.com/acme/shop/builds/9",
            "shop - - - main Ada 0190-1 https://buildkite.com/acme/shop/builds/9",
        ),
        (
            "JENKINS_URL=https://ci.example/ \
             GIT_URL=https://ada:secret@git.example/acme/shop.git \
             GIT_COMMIT=0123abc \
             BRANCH_NAME=main \
             BUILD_TAG=jenkins-acme-shop-main-9 \
             BUILD_URL=https://ci.example/job/acme/job/shop/job/main/9/",
            "shop - - 0123abc main - jenkins-acme-shop-main-9 https://ci.example/job/acme/job/shop/job/main/9/",
        ),
        (
            "TF_BUILD=True \
             BUILD_REPOSITORY_NAME=acme/shop \
             ENVIRONMENT_NAME=production \
             BUILD_SOURCEVERSION=0123abc \
             BUILD_SOURCEBRANCHNAME=main \
             BUILD_REQUESTEDFOR=Ada \
             BUILD_BUILDID=901 \
             SYSTEM_STAGEATTEMPT=1 \
             SYSTEM_TEAMFOUNDATIONCOLLECTIONURI=https://dev.azure.com/acme/ \
             SYSTEM_TEAMPROJECTID=7f3e",
            "shop production - 0123abc main Ada 901-1 https://dev.azure.com/acme/7f3e/_build/results?buildId=901",
        ),
        (
            "BITBUCKET_BUILD_NUMBER=9 \
             BITBUCKET_REPO_SLUG=shop \
             BITBUCKET_REPO_FULL_NAME=acme/shop \
             BITBUCKET_DEPLOYMENT_ENVIRONMENT=production \
             BITBUCKET_COMMIT=0123abc \
             BITBUCKET_BRANCH=main \
             BITBUCKET_STEP_TRIGGERER_UUID={c1} \
             BITBUCKET_STEP_RUN_NUMBER=1",
            "shop production - 0123abc main {c1} shop-9-1 https://bitbucket.org/acme/shop/pipelines/results/9",
        ),
        (
            "TRAVIS=true \
             TRAVIS_REPO_SLUG=acme/shop \
             TRAVIS_TAG= \
             TRAVIS_COMMIT=0123abc \
             TRAVIS_BRANCH=main \
             TRAVIS_BUILD_ID=5001 \
             TRAVIS_BUILD_WEB_URL=https://app.travis-ci.com/acme/shop/builds/5001",
            "shop - - 0123abc main - 5001 https://app.travis-ci.com/acme/shop/builds/5001",
        ),
        (
            "DRONE=true \
             DRONE_REPO_NAME=shop \
             DRONE_DEPLOY_TO=production \
             DRONE_COMMIT_SHA=0123abc \
             DRONE_BRANCH=main \
             DRONE_BUILD_TRIGGER=ada \
             DRONE_BUILD_NUMBER=9 \
             DRONE_BUILD_LINK=https://drone.example/acme/shop/9",
            "shop production - 0123abc main ada shop-9 https://drone.example/acme/shop/9",
        ),
        (
            "RAILWAY_DEPLOYMENT_ID=r1 \
             RAILWAY_SERVICE_NAME=api \
             RAILWAY_ENVIRONMENT_NAME=production \
             RAILWAY_GIT_COMMIT_SHA=0123abc \
             RAILWAY_GIT_BRANCH=main \
             RAILWAY_GIT_AUTHOR=ada",
            "api production - 0123abc main ada r1 -",
        ),
    ];

    #[test]
    fn each_system_is_known_by_what_it_sets() {
        for (variables, expected) in RUNS {
            let run = detected(variables);
            let parts = [
                run.service,
                run.environment,
                run.version,
                run.commit,
                run.branch,
                run.actor,
                run.run_id,
                run.run_url,
            ];
            assert_eq!(parts.map(|part| part.unwrap_or("-".to_owned())).join(" "), expected, "{variables}");
        }
    }

    #[test]
    fn outside_ci_nothing_is_known() {
        assert_eq!(detected("HOME=/root CI=true"), CiRun::default());
    }
}
