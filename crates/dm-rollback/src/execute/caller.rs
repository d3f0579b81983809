//! Who calls: what tells apart two jobs of one CI run that roll back two services under one name.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use common::env;
use common::identity::CiJob;
use common::label::Label;
use telemetry::Context;

use super::Execution;
use crate::safeguards::caller::Caller;

/// The name of the job if an alert started this run.
const TRIGGERED: &str = "--from-alertmanager";

/// Identifies this process among the jobs of its run.
pub(super) fn identify(execution: &Execution, context: &Context) -> Caller {
    let settings = &execution.safeguards;
    if settings.is_triggered {
        // The job of a relay is not the one that deploys: two of them are no two attempts.
        return Caller { job_name: Label::sanitize(TRIGGERED), ..Caller::default() };
    }
    let job = CiJob::detect(&env::system);
    let mut hasher = DefaultHasher::new();
    job.name.as_ref().map(Label::as_str).hash(&mut hasher);
    std::env::current_dir().ok().map(|folder| within_checkout(&folder)).hash(&mut hasher);
    if let Some(command) = &execution.command {
        command.argv.hash(&mut hasher);
        execution.verification.url.hash(&mut hasher);
    }
    // Another version of this tool may hash in another way. Two callers then look different, and nothing is done.
    let hash = Label::sanitize(&format!("{:016x}", hasher.finish()));
    // Within a stage, the variable for the service comes from dm-stage, which may have derived it.
    let is_passed_on = context.parent.is_some() || context.beats_for_deployment;
    let is_service_derived = !settings.is_service_given
        || is_passed_on && settings.derived_service.as_ref() == Some(&context.identity.service);
    Caller { job: job.id, job_name: job.name, hash, is_service_derived }
}

/// The folder as seen from the top of the checkout: CI systems check out the same repository in different places.
fn within_checkout(folder: &Path) -> PathBuf {
    let top = folder.ancestors().find(|folder| folder.join(".git").exists());
    top.and_then(|top| folder.strip_prefix(top).ok()).unwrap_or(folder).to_owned()
}
