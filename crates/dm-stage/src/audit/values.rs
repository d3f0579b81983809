//! The values of a rule, by their labels.

use std::collections::BTreeMap;

/// The labels of a series.
pub(super) type Labels = BTreeMap<String, String>;

/// The values of a rule by their labels.
pub(super) type Values = BTreeMap<Labels, f64>;

/// The service and the environment of a series.
pub(super) fn service(labels: &Labels) -> (String, String) {
    let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
    (label("service"), label("environment"))
}
