//! The version to go back to, and whether it is a way back. Pure.

use crate::facts::Facts;
use crate::history::History;
use crate::ledger::KnownGood;
use crate::safeguards::{Limits, Refusal, Request, not_done, shown};

/// The version to go back to; `None` where none is known, and the command has to know by itself. Its cases are among the
/// tests of [`crate::safeguards::ask`].
pub fn find(history: &History, request: &Request<'_>, limits: &Limits) -> Result<Option<KnownGood>, Refusal> {
    let target = target(history, request, limits)?;
    if !limits.schema_compatible {
        schema(history, request.facts, target.as_ref())?;
    }
    Ok(target)
}

/// The version to go back to: never merely the one before, which may itself be bad.
fn target(history: &History, request: &Request<'_>, limits: &Limits) -> Result<Option<KnownGood>, Refusal> {
    if let Some(target) = request.target {
        if request.failed == Some(target) {
            return Err(not_done(format!("the target {target} is the version that failed")));
        }
        if let Some(since) = history.refused(target).filter(|_| !limits.allow_refused) {
            return Err(not_done(format!(
                "version {target} was rolled back from at {}: name another --target, or --allow-refused",
                shown(since)
            )));
        }
        let unproven = KnownGood { version: target.clone(), release: None, schema: None };
        return Ok(Some(history.good(target).cloned().unwrap_or(unproven)));
    }
    match history.newest_good(request.failed) {
        Some(good) => Ok(Some(good.clone())),
        None if history.had_good(request.failed) || limits.require_target => {
            Err(not_done("no other version is known to be good: name one with --target VERSION".to_owned()))
        }
        None => Ok(None),
    }
}

/// A version that does not fit the database is no way back.
fn schema(history: &History, facts: &Facts, target: Option<&KnownGood>) -> Result<(), Refusal> {
    let asked = "if the version that is gone back to works with it, say --schema-compatible";
    let now = facts.schema.as_ref().or_else(|| history.schema());
    let why = match (target.and_then(|good| good.schema.as_ref()), now) {
        _ if facts.is_schema_dirty => "the migration left the schema half done".to_owned(),
        (Some(then), Some(now)) if then != now => {
            format!("the schema has moved from {then} to {now} since the target was good")
        }
        (None, _) if facts.has_schema_moved => "this deployment's migration has moved the schema".to_owned(),
        _ => return Ok(()),
    };
    Err(not_done(format!("{why}; {asked}")))
}
