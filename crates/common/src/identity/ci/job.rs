//! The CI job: one of the parts of a run that a person can start again alone. The run keeps its id then.

use super::system;
use crate::env::Env;
use crate::label::Label;

/// A job of a CI run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CiJob {
    /// Its name in the definition of the run, if the system tells it.
    pub name: Option<Label>,
    /// An id that is another one if the job is run again, if the system has one.
    pub id: Option<Label>,
}

impl CiJob {
    /// Detects the job. Empty outside a known CI system.
    pub fn detect(env: &Env<'_>) -> Self {
        let join = |names: &[&str]| {
            let values: Vec<String> = names.iter().filter_map(|name| env(name)).collect();
            Label::sanitize(&values.join(" "))
        };
        system(env)
            .map_or_else(Self::default, |system| Self { name: join(system.job_name), id: join(system.job) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(variables: &[(&str, &str)]) -> Option<String> {
        let env =
            |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        CiJob::detect(&env).id.map(|id| id.to_string())
    }

    #[test]
    fn a_job_that_is_run_again_has_another_id() {
        for (system, variable) in [
            ("GITHUB_ACTIONS", "GITHUB_RUN_ATTEMPT"),
            ("GITLAB_CI", "CI_JOB_ID"),
            ("CIRCLECI", "CIRCLE_WORKFLOW_JOB_ID"),
            ("BUILDKITE", "BUILDKITE_RETRY_COUNT"),
            ("JENKINS_URL", "BUILD_ID"),
            ("TF_BUILD", "SYSTEM_JOBATTEMPT"),
            ("BITBUCKET_BUILD_NUMBER", "BITBUCKET_STEP_RUN_NUMBER"),
            ("TRAVIS", "TRAVIS_JOB_ID"),
            ("DRONE", "DRONE_BUILD_NUMBER"),
        ] {
            let [first, second] = ["1", "2"].map(|value| id(&[(system, "true"), (variable, value)]));
            assert!(first.is_some() && first != second, "{system}");
        }
        assert_eq!(id(&[("CI_JOB_ID", "1")]), None, "no CI system is known by it");
    }

    #[test]
    fn a_job_has_the_name_of_its_definition() {
        let job = CiJob::detect(&|name| match name {
            "GITLAB_CI" => Some("true".to_owned()),
            "CI_JOB_NAME" => Some("deploy: [api]".to_owned()),
            _ => None,
        });
        assert_eq!((job.name.unwrap().as_str(), job.id), ("deploy: [api]", None));
    }
}
