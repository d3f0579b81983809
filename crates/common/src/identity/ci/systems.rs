//! The CI systems and their variables.

/// One CI system. The right-hand sides are templates: `{NAME}` is a variable, and a template with a missing
/// variable gives nothing. `marker` is the variable by which the system is known.
pub(super) struct System {
    pub(super) marker: &'static str,
    pub(super) service: &'static str,
    pub(super) environment: &'static str,
    pub(super) version: &'static str,
    pub(super) commit: &'static str,
    pub(super) branch: &'static str,
    pub(super) actor: &'static str,
    pub(super) run_id: &'static str,
    pub(super) run_url: &'static str,
    /// The variables that name the job, as its definition does.
    pub(super) job_name: &'static [&'static str],
    /// The variables of which one changes if the job is run again.
    pub(super) job: &'static [&'static str],
}

pub(super) const SYSTEMS: &[System] = &[
    // https://docs.github.com/actions/reference/variables-reference
    System {
        marker: "GITHUB_ACTIONS",
        service: "{GITHUB_REPOSITORY}",
        environment: "",
        version: "",
        commit: "{GITHUB_SHA}",
        branch: "{GITHUB_REF_NAME}",
        actor: "{GITHUB_ACTOR}",
        run_id: "{GITHUB_RUN_ID}-{GITHUB_RUN_ATTEMPT}",
        run_url: "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}",
        job_name: &["GITHUB_JOB"],
        job: &["GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT"],
    },
    // https://docs.gitlab.com/ci/variables/predefined_variables/
    System {
        marker: "GITLAB_CI",
        service: "{CI_PROJECT_NAME}",
        environment: "{CI_ENVIRONMENT_NAME}",
        version: "{CI_COMMIT_TAG}",
        commit: "{CI_COMMIT_SHA}",
        branch: "{CI_COMMIT_REF_NAME}",
        actor: "{GITLAB_USER_LOGIN}",
        run_id: "{CI_PIPELINE_ID}",
        run_url: "{CI_PIPELINE_URL}",
        job_name: &["CI_JOB_NAME"],
        job: &["CI_JOB_ID"],
    },
    // https://circleci.com/docs/reference/variables/ — a workflow that is run again gets a new id; its number is the job's
    System {
        marker: "CIRCLECI",
        service: "{CIRCLE_PROJECT_REPONAME}",
        environment: "",
        version: "{CIRCLE_TAG}",
        commit: "{CIRCLE_SHA1}",
        branch: "{CIRCLE_BRANCH}",
        actor: "{CIRCLE_USERNAME}",
        run_id: "{CIRCLE_WORKFLOW_ID}",
        run_url: "{CIRCLE_BUILD_URL}",
        job_name: &["CIRCLE_JOB"],
        job: &["CIRCLE_WORKFLOW_JOB_ID", "CIRCLE_BUILD_NUM"],
    },
    // https://buildkite.com/docs/pipelines/configure/environment-variables
    System {
        marker: "BUILDKITE",
        service: "{BUILDKITE_PIPELINE_SLUG}",
        environment: "",
        version: "{BUILDKITE_TAG}",
        commit: "{BUILDKITE_COMMIT}",
        branch: "{BUILDKITE_BRANCH}",
        actor: "{BUILDKITE_BUILD_CREATOR}",
        run_id: "{BUILDKITE_BUILD_ID}",
        run_url: "{BUILDKITE_BUILD_URL}",
        job_name: &["BUILDKITE_STEP_KEY", "BUILDKITE_LABEL"],
        job: &["BUILDKITE_JOB_ID", "BUILDKITE_RETRY_COUNT"],
    },
    // https://www.jenkins.io/doc/book/pipeline/jenkinsfile/#using-environment-variables — GIT_* by its git plugin;
    // JOB_NAME ends with the branch in a multibranch project, so it is not the service
    System {
        marker: "JENKINS_URL",
        service: "{GIT_URL}",
        environment: "",
        version: "{TAG_NAME}",
        commit: "{GIT_COMMIT}",
        branch: "{BRANCH_NAME}",
        actor: "{BUILD_USER_ID}",
        run_id: "{BUILD_TAG}",
        run_url: "{BUILD_URL}",
        job_name: &["JOB_NAME", "STAGE_NAME"],
        job: &["BUILD_ID"],
    },
    // https://learn.microsoft.com/azure/devops/pipelines/build/variables — a project's name may hold spaces, its id never;
    // the build number is a date in most projects
    System {
        marker: "TF_BUILD",
        service: "{BUILD_REPOSITORY_NAME}",
        environment: "{ENVIRONMENT_NAME}",
        version: "",
        commit: "{BUILD_SOURCEVERSION}",
        branch: "{BUILD_SOURCEBRANCHNAME}",
        actor: "{BUILD_REQUESTEDFOR}",
        run_id: "{BUILD_BUILDID}-{SYSTEM_STAGEATTEMPT}",
        run_url: "{SYSTEM_TEAMFOUNDATIONCOLLECTIONURI}{SYSTEM_TEAMPROJECTID}/_build/results?buildId={BUILD_BUILDID}",
        job_name: &["SYSTEM_STAGENAME", "SYSTEM_JOBNAME"],
        job: &["SYSTEM_JOBID", "SYSTEM_STAGEATTEMPT", "SYSTEM_JOBATTEMPT"],
    },
    // https://support.atlassian.com/bitbucket-cloud/docs/variables-and-secrets/
    System {
        marker: "BITBUCKET_BUILD_NUMBER",
        service: "{BITBUCKET_REPO_SLUG}",
        environment: "{BITBUCKET_DEPLOYMENT_ENVIRONMENT}",
        version: "{BITBUCKET_TAG}",
        commit: "{BITBUCKET_COMMIT}",
        branch: "{BITBUCKET_BRANCH}",
        actor: "{BITBUCKET_STEP_TRIGGERER_UUID}",
        run_id: "{BITBUCKET_REPO_SLUG}-{BITBUCKET_BUILD_NUMBER}-{BITBUCKET_STEP_RUN_NUMBER}",
        run_url: "https://bitbucket.org/{BITBUCKET_REPO_FULL_NAME}/pipelines/results/{BITBUCKET_BUILD_NUMBER}",
        job_name: &[],
        job: &["BITBUCKET_STEP_UUID", "BITBUCKET_STEP_RUN_NUMBER"],
    },
    // https://docs.travis-ci.com/user/environment-variables/ — it has no attempt number: a restarted build keeps its
    // id, and so does a restarted job
    System {
        marker: "TRAVIS",
        service: "{TRAVIS_REPO_SLUG}",
        environment: "",
        version: "{TRAVIS_TAG}",
        commit: "{TRAVIS_COMMIT}",
        branch: "{TRAVIS_BRANCH}",
        actor: "",
        run_id: "{TRAVIS_BUILD_ID}",
        run_url: "{TRAVIS_BUILD_WEB_URL}",
        job_name: &["TRAVIS_JOB_NAME"],
        job: &["TRAVIS_JOB_ID"],
    },
    // https://docs.drone.io/pipeline/environment/reference/
    System {
        marker: "DRONE",
        service: "{DRONE_REPO_NAME}",
        environment: "{DRONE_DEPLOY_TO}",
        version: "{DRONE_TAG}",
        commit: "{DRONE_COMMIT_SHA}",
        branch: "{DRONE_BRANCH}",
        actor: "{DRONE_BUILD_TRIGGER}",
        run_id: "{DRONE_REPO_NAME}-{DRONE_BUILD_NUMBER}",
        run_url: "{DRONE_BUILD_LINK}",
        job_name: &["DRONE_STAGE_NAME", "DRONE_STEP_NAME"],
        job: &["DRONE_BUILD_NUMBER"],
    },
    // https://docs.railway.com/reference/variables
    System {
        marker: "RAILWAY_DEPLOYMENT_ID",
        service: "{RAILWAY_SERVICE_NAME}",
        environment: "{RAILWAY_ENVIRONMENT_NAME}",
        version: "",
        commit: "{RAILWAY_GIT_COMMIT_SHA}",
        branch: "{RAILWAY_GIT_BRANCH}",
        actor: "{RAILWAY_GIT_AUTHOR}",
        run_id: "{RAILWAY_DEPLOYMENT_ID}",
        run_url: "",
        job_name: &[],
        job: &[],
    },
];
