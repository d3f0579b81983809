//! Which versions answered. Pure.

use std::collections::BTreeMap;

use common::label::Label;

/// The maximum number of versions that are counted by name. A service with more makes up names.
const MAX_VERSIONS: usize = 8;

/// The shortest abbreviation of a commit hash.
const SHORT_HASH: usize = 7;

/// The versions that answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Versions {
    /// The version that has to answer, if it is known: the deployed one, or the one that was rolled back to.
    ours: Option<Label>,
    /// The version that must not answer, because it was rolled back.
    replaced: Option<Label>,
    /// Answers by each version.
    answers: BTreeMap<String, u64>,
    ours_answered: u64,
    /// Successful answers that did not name a version.
    unnamed: u64,
}

/// Whom a request is evidence about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    /// The deployed version, or nobody: a request without an answer is a failure of the deployment.
    ByOurs,
    /// Another version.
    ByOther,
}

impl Versions {
    /// The answers about a deployment of this version.
    pub(crate) fn of(ours: Option<Label>) -> Self {
        Self { ours, ..Self::default() }
    }

    /// The answers after a rollback to `target`, if it is known, from the version `replaced`.
    pub(crate) fn after_rollback(target: Option<Label>, replaced: Option<Label>) -> Self {
        Self { ours: target, replaced, ..Self::default() }
    }

    /// Counts a request, and returns whom it is evidence about. `version` is what the answer names.
    pub(super) fn count(&mut self, version: Option<&str>, ok: bool) -> Answered {
        let Some(version) = version else {
            self.unnamed += u64::from(ok);
            // Once versions are detected, a success without one is no evidence about any of them.
            return if ok && self.are_detected() { Answered::ByOther } else { Answered::ByOurs };
        };
        if let Some(count) = self.answers.get_mut(version) {
            *count += 1;
        } else if self.answers.len() < MAX_VERSIONS {
            self.answers.insert(version.to_owned(), 1);
        }
        let is_ours = match (&self.ours, &self.replaced) {
            (Some(ours), _) => is_same(ours.as_str(), version),
            (None, Some(replaced)) => !is_same(replaced.as_str(), version),
            (None, None) => true,
        };
        if is_ours {
            self.ours_answered += 1;
            Answered::ByOurs
        } else {
            Answered::ByOther
        }
    }

    /// The version that has to answer, if it is known.
    pub(crate) fn deployed(&self) -> Option<&Label> {
        self.ours.as_ref()
    }

    /// Whether any answer named its version.
    pub(crate) fn are_detected(&self) -> bool {
        !self.answers.is_empty()
    }

    /// Whether the right version is known to have answered.
    pub(crate) fn has_ours_answered(&self) -> bool {
        (self.ours.is_some() || self.replaced.is_some()) && self.ours_answered > 0
    }

    /// Why no answer is evidence for the deployed version; `None` if there is one, or if versions are not detected.
    pub(crate) fn why_ours_is_missing(&self) -> Option<String> {
        if !self.are_detected() || self.ours_answered > 0 {
            return None;
        }
        let ours = match (&self.ours, &self.replaced) {
            (Some(ours), _) => format!("version {ours}"),
            (None, Some(replaced)) => format!("a version other than {replaced}"),
            (None, None) => return None,
        };
        let others =
            self.answers.iter().map(|(version, count)| format!("{version} answered {count} requests"));
        Some(format!("{ours} has not answered: {}", others.collect::<Vec<_>>().join(", ")))
    }
}

/// Whether two names are of the same version: `v2.0` is `2.0`, and a commit hash may be abbreviated.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    let bare = |text: &str| text.trim_start_matches(['v', 'V']).to_ascii_lowercase();
    let (one, other) = (bare(one), bare(other));
    let is_hash = |text: &str| text.len() >= SHORT_HASH && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    one == other || (is_hash(&one) && is_hash(&other) && (one.starts_with(&other) || other.starts_with(&one)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_answers_of_the_deployed_version_are_evidence_for_it() {
        let mut versions = Versions::of(Some("2.0".parse().unwrap()));
        assert_eq!(versions.count(None, true), Answered::ByOurs, "no version is detected yet");
        assert_eq!(versions.count(Some("1.0"), true), Answered::ByOther);
        assert_eq!(versions.count(Some("1.0"), false), Answered::ByOther);
        assert_eq!(versions.count(None, true), Answered::ByOther);
        assert_eq!(versions.count(None, false), Answered::ByOurs, "nobody answered");
        assert!(versions.why_ours_is_missing().unwrap().contains("2.0 has not answered: 1.0 answered 2"));
        assert_eq!(versions.count(Some("v2.0"), true), Answered::ByOurs);
        assert!(versions.why_ours_is_missing().is_none() && versions.has_ours_answered());
    }

    #[test]
    fn names_of_one_version_are_recognized() {
        assert!(is_same("v1.2", "1.2") && is_same("abcdef0", "abcdef0123456789"));
        assert!(!is_same("1.2", "1.20") && !is_same("abc", "abcdef0") && !is_same("1234567", "1234568"));
    }

    #[test]
    fn made_up_names_are_bounded() {
        let mut versions = Versions::of(None);
        (0..1000).for_each(|at| {
            versions.count(Some(&at.to_string()), true);
        });
        assert_eq!(versions.answers.len(), MAX_VERSIONS);
    }
}
