//! Chooses the version to roll back to, and checks that it fits the schema. Pure.

use crate::ledger::KnownGood;
use crate::ledger::history::History;
use crate::safeguards::facts::Facts;
use crate::safeguards::refusal::{Limits, Refusal, Request, display_time};

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

/// The target is a known-good version, never merely the previous one, which may be bad too.
fn find(history: &History, request: &Request<'_>, limits: &Limits) -> Result<Option<KnownGood>, Refusal> {
    if let Some(target) = request.target {
        if request.failed == Some(target) {
            return Err(Refusal::not_done(format!("the target {target} is the version that failed")));
        }
        if let Some(ts) = history.rolled_back_at(target).filter(|_| !limits.allow_refused) {
            return Err(Refusal::not_done(format!(
                "version {target} was rolled back at {}: name another --target, or give --allow-refused",
                display_time(ts)
            )));
        }
        let unproven = KnownGood { version: target.clone(), release: None, schema: None, assumed: false };
        return Ok(Some(history.known_good(target).cloned().unwrap_or(unproven)));
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
