//! Chooses the version to roll back to, and checks that it fits the schema. Pure.

use common::event::RollbackResult;
use common::label::Label;

use crate::ledger::KnownGood;
use crate::ledger::artifact::is_same_version;
use crate::ledger::history::History;
use crate::ledger::stamps::display_time;
use crate::safeguards::facts::Facts;
use crate::safeguards::refusal::{Limits, Refusal, Request};

/// Chooses the target of the rollback; `None` if no version is known to be good, so that the command has to choose. The
/// tests of [`super::check`] cover it.
pub(super) fn choose(
    history: &History,
    request: &Request<'_>,
    limits: &Limits,
) -> Result<Option<KnownGood>, Refusal> {
    let target = find(history, request, limits)?;
    if !limits.schema_compatible {
        check_schema(history, request.facts, target.as_ref())?;
    }
    Ok(target)
}

/// What an operator should know about the target.
pub(super) fn notes(history: &History, request: &Request<'_>, target: &KnownGood) -> Vec<String> {
    let version = &target.version;
    let mut notes = Vec::new();
    if request.target.is_some() && !history.knows(version) {
        let good: Vec<&str> = history.good_versions().into_iter().map(Label::as_str).take(3).collect();
        let known = if good.is_empty() {
            "no version is known to be good".to_owned()
        } else {
            format!("known to be good: {}", good.join(", "))
        };
        notes.push(format!(
            "WARNING: nobody knows the target {version}: no deployment of it is recorded, and it is passed on as you wrote \
             it; {known}"
        ));
    }
    let restored = history.restored_by(target.artifact());
    let was_verified = |(_, result)| result == RollbackResult::Verified;
    if let Some(rollback) = restored.filter(|it| !it.outcome.is_some_and(was_verified)) {
        notes.push(format!(
            "WARNING: the rollback to {version} at {} was not verified, and nothing has proven it good since",
            display_time(rollback.ts)
        ));
    }
    if target.assumed {
        notes.push(format!(
            "no version was detected when {version} proved good: it is assumed that it served"
        ));
    }
    notes
}

/// The target is a known-good version, never merely the previous one, which may be bad too. The newest one is chosen even
/// if it is only assumed that it served: an older one undoes more, and is further away from the current schema.
fn find(history: &History, request: &Request<'_>, limits: &Limits) -> Result<Option<KnownGood>, Refusal> {
    if let Some(target) = request.target {
        if let Some(good) = history.known_good(target, request.failed) {
            return Ok(Some(good.clone()));
        }
        if let Some(failed) = request.failed.filter(|failed| is_same_version(failed.version, target)) {
            let called =
                if failed.version == target { String::new() } else { format!(" {}", failed.version) };
            return Err(Refusal::not_done(format!("the target {target} is the version{called} that failed")));
        }
        if let Some(ts) = history.rolled_back_at(target).filter(|_| !limits.allow_refused) {
            return Err(Refusal::not_done(format!(
                "version {target} was rolled back at {}: name another --target, or give --allow-refused",
                display_time(ts)
            )));
        }
        return Ok(Some(KnownGood { version: target.clone(), release: None, schema: None, assumed: false }));
    }
    match history.newest_good(request.failed) {
        Some(good) => Ok(Some(good.clone())),
        None if history.has_been_good(request.failed) || limits.require_target => Err(Refusal::not_done(
            "no other version is known to be good: name one with --target VERSION".to_owned(),
        )),
        None => Ok(None),
    }
}

/// A version that does not work with the current schema cannot be the target.
fn check_schema(history: &History, facts: &Facts, target: Option<&KnownGood>) -> Result<(), Refusal> {
    let advice = "if the target works with the current schema, give --schema-compatible";
    let current = facts.schema.as_ref().or_else(|| history.schema());
    if let Some(place) = &facts.unreadable_migration {
        return Err(Refusal::not_done(format!(
            "{place} is damaged, or of another version of these tools, and may record a migration of this deployment; \
             {advice}"
        )));
    }
    let reason = match (target.and_then(|good| good.schema.as_ref()), current) {
        _ if facts.is_schema_dirty => "the migration left the schema half done".to_owned(),
        (Some(recorded), Some(current)) if recorded != current => {
            format!("the schema has moved from {recorded} to {current} since the target was good")
        }
        (None, _) if facts.has_schema_moved => "this deployment's migration has moved the schema".to_owned(),
        _ => return Ok(()),
    };
    Err(Refusal::not_done(format!("{reason}; {advice}")))
}
