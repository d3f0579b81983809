//! An attempt at a deployment. CI systems that run one job of a run again keep the run's id, and with it the
//! deployment's: what tells two attempts apart is a number.

use common::label::Label;

/// An attempt at a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// The deployment.
    pub deployment: Label,
    /// The number of the attempt; the first is 1.
    pub number: u32,
    /// The id of the CI job that this process belongs to, if it has one.
    pub job: Option<Label>,
    /// The name of that job.
    pub job_name: Option<Label>,
    /// What identifies the caller among the jobs of one run, as a hash; see [`crate::execute::caller`].
    pub caller: Option<Label>,
}

impl Attempt {
    /// The first attempt, outside a CI job.
    pub(crate) fn first(deployment: Label) -> Self {
        Self { deployment, number: 1, job: None, job_name: None, caller: None }
    }
}
