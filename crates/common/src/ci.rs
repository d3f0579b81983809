//! What a CI system's variables say of the run. A table: a system is a row, not code.

use crate::env::Env;

/// What a CI system told; every part may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CiRun {
    /// The repository or service that is built.
    pub service: Option<String>,
    /// The environment that is deployed to.
    pub environment: Option<String>,
    /// The tag or release.
    pub version: Option<String>,
    /// The full commit hash.
    pub commit: Option<String>,
    /// An id of this run that no other run, and no other attempt of it, has.
    pub run_id: Option<String>,
    /// A number that grows by one with each run.
    pub run_number: Option<String>,
    /// The page of the run.
    pub run_url: Option<String>,
}

/// One CI system. The right-hand sides are templates: `{NAME}` is a variable, and a template with a missing
/// variable gives nothing. `marker` is the variable by which the system is known.
struct System {
    marker: &'static str,
    service: &'static str,
    environment: &'static str,
    version: &'static str,
    commit: &'static str,
    run_id: &'static str,
    run_number: &'static str,
    run_url: &'static str,
}

const SYSTEMS: &[System] = &[
    // https://docs.github.com/actions/reference/variables-reference
    System {
        marker: "GITHUB_ACTIONS",
        service: "{GITHUB_REPOSITORY}",
        environment: "",
        version: "",
        commit: "{GITHUB_SHA}",
        run_id: "{GITHUB_RUN_ID}-{GITHUB_RUN_ATTEMPT}",
        run_number: "{GITHUB_RUN_NUMBER}",
        run_url: "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}",
    },
    // https://docs.gitlab.com/ci/variables/predefined_variables/
    System {
        marker: "GITLAB_CI",
        service: "{CI_PROJECT_NAME}",
        environment: "{CI_ENVIRONMENT_NAME}",
        version: "{CI_COMMIT_TAG}",
        commit: "{CI_COMMIT_SHA}",
        run_id: "{CI_PIPELINE_ID}",
        run_number: "{CI_PIPELINE_IID}",
        run_url: "{CI_PIPELINE_URL}",
    },
    // https://docs.railway.com/reference/variables
    System {
        marker: "RAILWAY_DEPLOYMENT_ID",
        service: "{RAILWAY_SERVICE_NAME}",
        environment: "{RAILWAY_ENVIRONMENT_NAME}",
        version: "",
        commit: "{RAILWAY_GIT_COMMIT_SHA}",
        run_id: "{RAILWAY_DEPLOYMENT_ID}",
        run_number: "",
        run_url: "",
    },
];

/// The run that the variables tell of, empty outside a known CI system.
pub fn detect(env: &Env<'_>) -> CiRun {
    let Some(system) = SYSTEMS.iter().find(|system| env(system.marker).is_some()) else {
        return CiRun::default();
    };
    CiRun {
        // owner/name would be a different service for each fork.
        service: fill(system.service, env).map(|name| last_segment(&name).to_owned()),
        environment: fill(system.environment, env),
        version: fill(system.version, env),
        commit: fill(system.commit, env),
        run_id: fill(system.run_id, env),
        run_number: fill(system.run_number, env),
        run_url: fill(system.run_url, env),
    }
}

fn last_segment(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
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

    fn detected(variables: &[(&str, &str)]) -> CiRun {
        detect(&|name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn outside_ci_nothing_is_known() {
        assert_eq!(detected(&[("HOME", "/root")]), CiRun::default());
    }

    #[test]
    fn github_actions() {
        let run = detected(&[
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_REPOSITORY", "acme/shop"),
            ("GITHUB_SHA", "0123abc"),
            ("GITHUB_RUN_ID", "77"),
            ("GITHUB_RUN_ATTEMPT", "2"),
            ("GITHUB_RUN_NUMBER", "9"),
            ("GITHUB_SERVER_URL", "https://github.com"),
        ]);
        assert_eq!(run.service.as_deref(), Some("shop"));
        assert_eq!(run.run_id.as_deref(), Some("77-2"));
        assert_eq!(run.run_number.as_deref(), Some("9"));
        assert_eq!(run.run_url.as_deref(), Some("https://github.com/acme/shop/actions/runs/77"));
        assert_eq!(run.environment, None);
    }

    #[test]
    fn gitlab_and_railway() {
        let gitlab =
            detected(&[("GITLAB_CI", "true"), ("CI_PROJECT_NAME", "shop"), ("CI_ENVIRONMENT_NAME", "prod")]);
        assert_eq!((gitlab.service.as_deref(), gitlab.environment.as_deref()), (Some("shop"), Some("prod")));
        let railway = detected(&[("RAILWAY_DEPLOYMENT_ID", "r1"), ("RAILWAY_SERVICE_NAME", "api")]);
        assert_eq!((railway.run_id.as_deref(), railway.service.as_deref()), (Some("r1"), Some("api")));
    }
}
