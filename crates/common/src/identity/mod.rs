//! Identity of a deployment. Each part comes from the first source that has it: flag or `DM_*` variable (both through
//! [`crate::args::DeploymentArgs`]), the CI system's variables, git, a default.

mod ci;
mod git;
mod trace;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::args::{DeploymentArgs, non_empty};
use crate::env::Env;
use crate::label::{Label, page_label};
pub use ci::CiJob;
pub(crate) use trace::is_id;
pub use trace::{Trace, random_hex};

/// The identity of a deployment, as every event and every series carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The deployment's id, shared by all tools in the deployment.
    pub deployment: Label,
    /// The service that is deployed.
    pub service: Label,
    /// The environment that is deployed to.
    pub environment: Label,
    /// The version that is deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Label>,
    /// The full hash of the commit that is deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Label>,
    /// The branch that is deployed, if the CI system names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<Label>,
    /// Who started the CI run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Label>,
    /// The page of the CI run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_url: Option<Label>,
    /// The position of this tool in a trace.
    #[serde(flatten)]
    pub trace: Trace,
}

impl Identity {
    /// Resolves the identity. Never fails: every part has a default.
    pub fn resolve(args: &DeploymentArgs, env: &Env<'_>, folder: &Path) -> Self {
        let run = ci::detect(env);
        let checkout = git::find(folder);
        let label = |text: &Option<String>| text.as_deref().and_then(Label::sanitize);
        let folder_name = || {
            let top = checkout.as_ref().map_or(folder, |checkout| &checkout.top);
            Label::sanitize(&top.file_name()?.to_string_lossy())
        };
        let commit = non_empty(args.commit.as_ref())
            .or_else(|| label(&run.commit))
            .or_else(|| label(&checkout.as_ref().and_then(|checkout| checkout.commit.clone())));
        let short = |commit: &Label| Label::sanitize(commit.as_str().get(..12)?);
        Self {
            deployment: non_empty(args.deployment_id.as_ref())
                .or_else(|| label(&run.run_id))
                .unwrap_or_else(|| label_from_own_text(&format!("d-{}", random_hex(5)))),
            service: non_empty(args.service.as_ref())
                .or_else(|| label(&run.service))
                .or_else(folder_name)
                .unwrap_or_else(|| label_from_own_text("default")),
            environment: non_empty(args.environment.as_ref())
                .or_else(|| label(&run.environment))
                .unwrap_or_else(|| label_from_own_text("development")),
            version: non_empty(args.app_version.as_ref())
                .or_else(|| label(&run.version))
                .or_else(|| commit.as_ref().and_then(short)),
            commit,
            branch: label(&run.branch),
            actor: label(&run.actor),
            run_url: non_empty(args.run_url.as_ref())
                .map(String::from)
                .or_else(|| run.run_url.clone())
                .and_then(|url| page_label(&url)),
            trace: Trace::from_env(env),
        }
    }

    /// The service that [`Identity::resolve`] finds in the current folder if nobody names one.
    pub fn derived_service(env: &Env<'_>) -> Label {
        let folder = std::env::current_dir().unwrap_or_default();
        Self::resolve(&DeploymentArgs::default(), env, &folder).service
    }

    /// The labels that every series carries: environment, service and `stage`.
    pub fn labels<'a>(&'a self, stage: &'a str) -> [(&'static str, &'a str); 3] {
        [("environment", self.environment.as_str()), ("service", self.service.as_str()), ("stage", stage)]
    }

    /// The variables that a child process needs to know which deployment it belongs to.
    pub fn env(&self) -> Vec<(&'static str, String)> {
        vec![
            ("DM_DEPLOYMENT_ID", self.deployment.to_string()),
            ("DM_SERVICE", self.service.to_string()),
            ("DM_ENVIRONMENT", self.environment.to_string()),
        ]
    }
}

/// A label from a text of this program, which is never empty.
fn label_from_own_text(text: &str) -> Label {
    Label::sanitize(text).expect("the text is not empty")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(args: &DeploymentArgs, variables: &[(&str, &str)]) -> Identity {
        let env =
            |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        Identity::resolve(args, &env, Path::new("/nowhere/shop"))
    }

    #[test]
    fn without_configuration_the_folder_names_the_service() {
        let identity = find(&DeploymentArgs::default(), &[]);
        assert_eq!(identity.service.as_str(), "shop");
        assert_eq!(identity.environment.as_str(), "development");
        assert!(identity.deployment.as_str().starts_with("d-"));
        assert_eq!(identity.version, None);
    }

    #[test]
    fn a_flag_wins_over_the_ci_system() {
        let variables = [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_REPOSITORY", "acme/shop"),
            ("GITHUB_SHA", "0123456789abcdef"),
            ("GITHUB_RUN_ID", "77"),
            ("GITHUB_RUN_ATTEMPT", "1"),
            ("GITHUB_REF_NAME", "main"),
            ("GITHUB_ACTOR", "ada"),
        ];
        let args = DeploymentArgs { service: Some("api".parse().unwrap()), ..DeploymentArgs::default() };
        let identity = find(&args, &variables);
        assert_eq!(identity.service.as_str(), "api");
        assert_eq!(identity.deployment.as_str(), "77-1");
        assert_eq!(identity.version.unwrap().as_str(), "0123456789ab");
        assert_eq!((identity.branch.unwrap().as_str(), identity.actor.unwrap().as_str()), ("main", "ada"));
    }
}
