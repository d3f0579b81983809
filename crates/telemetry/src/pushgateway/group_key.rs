//! Grouping keys: which group on the gateway, as labels and as a URL path.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use url::Url;

use common::identity::Identity;
use common::label::Stage;

/// A group's labels; `job` first, as the path has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupKey(Vec<(&'static str, String)>);

impl GroupKey {
    /// Absolute values of a stage: posted, never read.
    pub fn state(identity: &Identity, stage: &Stage) -> Self {
        Self::of("dm", identity, vec![("stage", stage.to_string())])
    }

    /// Counters and histograms of a stage: read, added to, put.
    pub fn counters(identity: &Identity, stage: &Stage) -> Self {
        Self::of(
            "dm_counters",
            identity,
            vec![("stage", stage.to_string()), ("slot", identity.slot.to_string())],
        )
    }

    /// One deployment while it runs.
    pub fn run(identity: &Identity) -> Self {
        Self::run_named(identity, identity.deployment.as_str())
    }

    /// A deployment's migration while it runs: it may outlive the deployment, and there may be none around it.
    pub fn migration(identity: &Identity) -> Self {
        Self::run_named(identity, &format!("{}:migration", identity.deployment))
    }

    /// Another deployment of the same service and environment.
    pub fn run_named(identity: &Identity, run: &str) -> Self {
        Self::of("dm_run", identity, vec![("run", run.to_owned())])
    }

    fn of(job: &str, identity: &Identity, more: Vec<(&'static str, String)>) -> Self {
        let mut labels = vec![
            ("job", job.to_owned()),
            ("environment", identity.environment.to_string()),
            ("service", identity.service.to_string()),
        ];
        labels.extend(more);
        Self(labels)
    }

    /// The labels.
    pub fn labels(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// The group's own URL below the gateway's `base`.
    pub fn url(&self, base: &Url) -> Url {
        let mut url = base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("metrics");
            for (name, value) in &self.0 {
                if is_plain(value) {
                    path.push(name).push(value);
                } else {
                    path.push(&format!("{name}@base64")).push(&encoded(value));
                }
            }
        }
        url
    }

    /// A file name that no other group has.
    pub fn file_name(&self) -> String {
        let parts: Vec<String> = self.0.iter().map(|(_, value)| encoded(value)).collect();
        parts.join(".")
    }
}

/// Whether a value can stand in a path as it is. All others, not only those with a `/`, take the base64 form: that
/// leaves no question of who decodes which escape.
fn is_plain(value: &str) -> bool {
    !value.is_empty()
        && !value.bytes().all(|byte| byte == b'.')
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn encoded(value: &str) -> String {
    // A path segment cannot be empty: the gateway reads a lone padding character as the empty value.
    if value.is_empty() { "=".to_owned() } else { URL_SAFE.encode(value) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::stage_event;

    fn url(service: &str, base: &str) -> String {
        let mut identity = stage_event("build").identity;
        identity.service = service.parse().unwrap();
        GroupKey::state(&identity, &"build".parse().unwrap()).url(&Url::parse(base).unwrap()).into()
    }

    #[test]
    fn plain_values_are_readable_and_others_are_base64() {
        assert_eq!(
            url("api", "http://h:9091"),
            "http://h:9091/metrics/job/dm/environment/production/service/api/stage/build"
        );
        assert_eq!(
            url("a/b", "https://h/prefix/"),
            "https://h/prefix/metrics/job/dm/environment/production/service@base64/YS9i/stage/build"
        );
        assert!(url("..", "http://h").contains("service@base64/Li4="));
    }

    #[test]
    fn every_group_has_a_file_name_of_its_own() {
        let identity = stage_event("build").identity;
        let stage: Stage = "build".parse().unwrap();
        let name = GroupKey::counters(&identity, &stage).file_name();
        assert_ne!(name, GroupKey::state(&identity, &stage).file_name());
        assert!(!name.contains('/'));
    }
}
