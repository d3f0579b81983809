//! Grouping keys of the Pushgateway: the labels of a group, and its URL path.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use url::Url;

use crate::metrics::exposition::Labels;
use common::identity::Identity;
use common::label::Stage;

/// The names of the labels of a counters group.
const COUNTERS: [&str; 5] = ["job", "environment", "service", "stage", "slot"];

/// The value of `slot`. Earlier versions spread CI runs over four; the rules add them.
const SLOT: &str = "0";

/// The names of the labels of a run.
const RUN: [&str; 4] = ["job", "environment", "service", "run"];

/// The names of the labels of each kind of group, by its job.
const KINDS: [(&str, &[&str]); 4] = [
    ("dm", &["job", "environment", "service", "stage"]),
    ("dm_counters", &COUNTERS),
    ("dm_run", &RUN),
    ("dm_stage", &["job", "environment", "service"]),
];

/// The labels of a group, `job` first, as in the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupKey(Vec<(&'static str, String)>);

impl GroupKey {
    /// The absolute values of a stage: posted, never read.
    pub fn state(identity: &Identity, stage: &Stage) -> Self {
        Self::new("dm", identity, vec![("stage", stage.to_string())])
    }

    /// The counters and histograms of a stage: read, added to, PUT.
    pub fn counters(identity: &Identity, stage: &Stage) -> Self {
        Self::new("dm_counters", identity, vec![("stage", stage.to_string()), ("slot", SLOT.to_owned())])
    }

    /// The stage that a service began last. One group for all runs and stages: it needs no deleting.
    pub fn stage_start(identity: &Identity) -> Self {
        Self::new("dm_stage", identity, Vec::new())
    }

    /// A deployment while it runs.
    pub fn run(identity: &Identity) -> Self {
        Self::for_run(identity, identity.deployment.as_str())
    }

    /// A deployment's migration while it runs. The migration may outlive the deployment, or run without one.
    pub fn migration(identity: &Identity) -> Self {
        Self::for_run(identity, &format!("{}:migration", identity.deployment))
    }

    /// A run with this id, of the same service and environment.
    pub fn for_run(identity: &Identity, run: &str) -> Self {
        Self::new("dm_run", identity, vec![("run", run.to_owned())])
    }

    fn new(job: &str, identity: &Identity, more: Vec<(&'static str, String)>) -> Self {
        let mut labels = vec![
            ("job", job.to_owned()),
            ("environment", identity.environment.to_string()),
            ("service", identity.service.to_string()),
        ];
        labels.extend(more);
        Self(labels)
    }

    /// The group of a series with these labels; `None` if it is none of ours.
    pub(super) fn of_series(labels: &Labels) -> Option<Self> {
        let job = labels.get("job")?;
        let (_, names) = KINDS.iter().find(|(kind, _)| kind == job)?;
        let label = |name: &&'static str| Some((*name, labels.get(*name)?.clone()));
        names.iter().map(label).collect::<Option<Vec<_>>>().map(Self)
    }

    /// Whether it exists as long as a deployment or a migration runs.
    pub(super) fn is_run(&self) -> bool {
        self.labels().any(|(name, _)| name == "run")
    }

    /// The labels, in the order of the path.
    pub fn labels(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// The URL of the group, below the Pushgateway's `base`.
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

    /// A file name that is unique to the group.
    pub fn file_name(&self) -> String {
        joined(self.0.iter().map(|(_, value)| value.as_str()))
    }

    /// The counters group with this file name.
    pub(crate) fn counters_with_file_name(name: &str) -> Option<Self> {
        Self::with_file_name(name, "dm_counters", &COUNTERS)
    }

    /// The run with this file name.
    pub(crate) fn run_with_file_name(name: &str) -> Option<Self> {
        Self::with_file_name(name, "dm_run", &RUN)
    }

    fn with_file_name(name: &str, job: &str, labels: &[&'static str]) -> Option<Self> {
        let parts = split(name)?;
        let is_its = parts.len() == labels.len() && parts[0] == job;
        is_its.then(|| Self(labels.iter().copied().zip(parts).collect()))
    }
}

impl fmt::Display for GroupKey {
    /// `job=dm environment=production …`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (name, value)) in self.0.iter().enumerate() {
            write!(f, "{}{name}={value}", if position == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

/// Whether a value needs no encoding in a path. All other values, not only those with a `/`, use the base64 form, so it
/// does not matter which proxy decodes which escape.
fn is_plain(value: &str) -> bool {
    !value.is_empty()
        && !value.bytes().all(|byte| byte == b'.')
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// A file name that no other list of values has.
pub(crate) fn joined<'a>(values: impl IntoIterator<Item = &'a str>) -> String {
    let parts: Vec<String> = values.into_iter().map(encoded).collect();
    parts.join(".")
}

/// The values in a file name; `None` if [`joined`] did not make it.
pub(super) fn split(name: &str) -> Option<Vec<String>> {
    let decoded = |part: &str| {
        if part == "=" { Some(String::new()) } else { String::from_utf8(URL_SAFE.decode(part).ok()?).ok() }
    };
    name.split('.').map(decoded).collect()
}

fn encoded(value: &str) -> String {
    // A path segment cannot be empty. The Pushgateway reads a single padding character as the empty value.
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
    fn every_group_has_its_own_file_name() {
        let identity = stage_event("build").identity;
        let stage: Stage = "build".parse().unwrap();
        let name = GroupKey::counters(&identity, &stage).file_name();
        assert_ne!(name, GroupKey::state(&identity, &stage).file_name());
        assert!(!name.contains('/'));
        assert_eq!(GroupKey::counters_with_file_name(&name), Some(GroupKey::counters(&identity, &stage)));
        let run = GroupKey::migration(&identity);
        assert_eq!(GroupKey::run_with_file_name(&run.file_name()), Some(run));
        assert_eq!(GroupKey::run_with_file_name(&name), None);
        let uncounted = GroupKey::state(&identity, &stage).file_name();
        for other in ["", "build", &uncounted, &format!("{name}+")] {
            assert_eq!(GroupKey::counters_with_file_name(other), None, "{other}");
        }
    }
}
