//! The process that asks the safeguards.

use common::label::Label;

/// The process that looks at a deployment, as far as it matters for "once".
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller {
    /// The id of its CI job, if it has one.
    pub job: Option<Label>,
    /// The name of that job.
    pub job_name: Option<Label>,
    /// What identifies it among the jobs of one run, as a hash.
    pub hash: Option<Label>,
    /// Whether the service is only named after the repository, so that another service may have the same name.
    pub is_service_derived: bool,
}
