//! Which versions answered, at each target. Pure.
//!
//! Once an answer has named a version, an answer without one may be anybody's: `docs/observability/rollback-decision.md`
//! explains whom it counts for.

use std::collections::BTreeMap;

use common::label::Label;
use common::version::is_same;

use super::by_target;
use super::share::Share;

/// The maximum number of versions that are counted by name. A service with more makes up names.
const MAX_VERSIONS: usize = 8;

/// The number of buckets without an answer of the replaced version that prove it gone.
const GONE: i64 = 4;

/// The versions that answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Versions {
    /// The version that has to answer, if it is known: the deployed one, or the one that was rolled back to.
    ours: Option<Label>,
    /// The version that must not answer, because it was rolled back.
    replaced: Option<Label>,
    /// The answers of each target.
    targets: BTreeMap<String, Answers>,
}

/// How unlikely it has to be, by the share of its answers before, that a version which is still live has not answered.
const ALPHA: f64 = 0.01;

/// The answers of one target.
#[derive(Debug, Clone, Default, PartialEq)]
struct Answers {
    /// Answers by each version.
    named: BTreeMap<Label, u64>,
    ours: u64,
    /// All answers up to the last one of ours.
    until_ours: u64,
    /// The answers since then, by others or without a version.
    since_ours: u64,
    /// The first and the last bucket of these.
    without_ours: Option<(i64, i64)>,
    /// The bucket of the last answer of the version that was replaced.
    replaced_at: Option<i64>,
    share: Share,
}

/// Whom a request is evidence about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    /// The deployed version; or versions are not known, and it is assumed.
    Ours,
    /// Another version.
    Other,
    /// Nobody knows: it succeeded, and names no version although others do.
    Unnamed,
    /// Nobody knows: it failed, and names no version although others do. In proportion to the answers, some of these
    /// failures are those of the deployed version.
    Nobody {
        /// Whether this one is.
        is_ours: bool,
    },
}

impl Versions {
    /// The answers about a deployment of this version.
    pub(crate) fn of(ours: Option<Label>) -> Self {
        Self { ours, ..Self::default() }
    }

    /// The answers after a rollback to `target`, if it is known, from the version `replaced`.
    pub(crate) fn after_rollback(target: Option<Label>, replaced: Option<Label>) -> Self {
        // Two releases of one version have the same name.
        let is_other = |replaced: &Label| {
            !target.as_ref().is_some_and(|target| is_same(target.as_str(), replaced.as_str()))
        };
        Self { replaced: replaced.filter(is_other), ours: target, ..Self::default() }
    }

    /// Counts a request to a target in a bucket, and returns whom it is evidence about. `version` is what the answer names.
    pub(super) fn count(&mut self, target: &str, bucket: i64, version: Option<&str>, ok: bool) -> Answered {
        if !self.are_known() && version.is_none() {
            return Answered::Ours;
        }
        let answered = self.recognize(version);
        let is_replaced = version.is_some_and(|version| self.is_replaced(version));
        let answers = self.target(target);
        let Some(version) = version else {
            let was_detected = !answers.named.is_empty();
            return match ok {
                true => {
                    answers.share.answered(bucket, false);
                    if !was_detected {
                        return Answered::Ours;
                    }
                    answers.run(bucket, false);
                    Answered::Unnamed
                }
                false if was_detected => Answered::Nobody { is_ours: answers.share.takes_failure(bucket) },
                false => Answered::Ours,
            };
        };
        let is_ours = answered == Answered::Ours;
        answers.count(version);
        answers.share.answered(bucket, is_ours);
        answers.run(bucket, is_ours);
        answers.ours += u64::from(is_ours);
        if is_replaced {
            answers.replaced_at = answers.replaced_at.max(Some(bucket));
        }
        answered
    }

    /// Who answered, by what this answer alone says.
    pub(super) fn recognize(&self, version: Option<&str>) -> Answered {
        let is_other = version.is_some_and(|version| match &self.ours {
            Some(ours) => !is_same(ours.as_str(), version),
            None => self.is_replaced(version),
        });
        if is_other { Answered::Other } else { Answered::Ours }
    }

    /// Whether this is the version that has to answer.
    pub(super) fn is_deployed(&self, version: Option<&str>) -> bool {
        self.ours.as_ref().zip(version).is_some_and(|(ours, version)| is_same(ours.as_str(), version))
    }

    fn is_replaced(&self, version: &str) -> bool {
        self.replaced.as_ref().is_some_and(|replaced| is_same(replaced.as_str(), version))
    }

    fn target(&mut self, target: &str) -> &mut Answers {
        by_target::entry(&mut self.targets, target)
    }

    /// Whether it is known which version has to answer, or which must not.
    pub(crate) fn are_known(&self) -> bool {
        self.ours.is_some() || self.replaced.is_some()
    }

    /// The version that has to answer, if it is known.
    pub(crate) fn deployed(&self) -> Option<&Label> {
        self.ours.as_ref()
    }

    /// Whether any answer named its version.
    pub(crate) fn are_detected(&self) -> bool {
        self.targets.values().any(|answers| !answers.named.is_empty())
    }

    /// Whether an answer of this target named its version.
    pub(super) fn are_detected_at(&self, target: &str) -> bool {
        self.targets.get(target).is_some_and(|answers| !answers.named.is_empty())
    }

    /// Whether the right version is known to have answered, at every target.
    pub(crate) fn has_ours_answered(&self) -> bool {
        self.are_known() && !self.targets.is_empty() && self.targets.values().all(|answers| answers.ours > 0)
    }

    /// Why the answers of a target are no evidence for the deployed version: it has not answered there, or does not any
    /// more. `None` if it answers at each, or if versions are not detected.
    pub(crate) fn why_ours_is_missing(&self) -> Option<String> {
        let is_missing =
            |answers: &Answers| !answers.named.is_empty() && (answers.ours == 0 || answers.is_gone());
        let (target, answers) = self.targets.iter().find(|(_, answers)| is_missing(answers))?;
        let ours = match (&self.ours, &self.replaced) {
            (Some(ours), _) => format!("version {ours}"),
            (None, Some(replaced)) => format!("a version other than {replaced}"),
            (None, None) => return None,
        };
        if answers.ours > 0 {
            let (at, count) = (self.at(target), answers.since_ours);
            return Some(format!(
                "{ours} does not answer any more{at}: the last {count} answers were not from it"
            ));
        }
        let others =
            answers.named.iter().map(|(version, count)| format!("{version} answered {count} requests"));
        let others = others.collect::<Vec<_>>().join(", ");
        Some(format!("{ours} has not answered{}: {others}", self.at(target)))
    }

    /// Why the version that was replaced may still be live, in the bucket `now`; `None` if it is gone.
    pub(crate) fn why_replaced_is_live(&self, now: i64) -> Option<String> {
        let replaced = self.replaced.as_ref()?;
        let is_live = |answers: &Answers| answers.replaced_at.is_some_and(|at| now - at < GONE);
        let (target, _) = self.targets.iter().find(|(_, answers)| is_live(answers))?;
        Some(format!("version {replaced}, which was rolled back, still answers{}", self.at(target)))
    }

    /// The target as part of a sentence, if there are several.
    fn at(&self, target: &str) -> String {
        match Label::sanitize(target) {
            Some(target) if self.targets.len() > 1 => format!(" at {target}"),
            _ => String::new(),
        }
    }
}

impl Answers {
    /// Counts an answer for how long ours has been silent.
    fn run(&mut self, bucket: i64, is_ours: bool) {
        if is_ours {
            self.until_ours += self.since_ours + 1;
            (self.since_ours, self.without_ours) = (0, None);
        } else {
            self.since_ours += 1;
            self.without_ours = Some((self.without_ours.map_or(bucket, |(first, _)| first), bucket));
        }
    }

    /// Whether ours answered, and is not live any more: as many answers without it are very unlikely for its share of
    /// those before. A canary with a small share may be silent for longer. One late answer of an old instance, in one
    /// bucket, is no reason.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    fn is_gone(&self) -> bool {
        let others = 1.0 - self.ours as f64 / (self.until_ours + 2) as f64;
        self.without_ours.is_some_and(|(first, last)| last > first)
            && others.powf(self.since_ours as f64) < ALPHA
    }

    /// Counts an answer by the version that it names. The stream chooses these names, so they are bounded.
    fn count(&mut self, version: &str) {
        let Some(version) = Label::sanitize(version.trim()) else { return };
        if let Some(count) = self.named.get_mut(&version) {
            *count += 1;
        } else if self.named.len() < MAX_VERSIONS {
            self.named.insert(version, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::criteria::MAX_NAMES;

    const AT: &str = "http://h/";

    fn two() -> Versions {
        Versions::of(Some("2.0".parse().unwrap()))
    }

    #[test]
    fn only_answers_of_the_deployed_version_are_evidence_for_it() {
        let mut versions = two();
        assert_eq!(versions.count(AT, 0, None, true), Answered::Ours, "no version is detected yet");
        assert_eq!(versions.count(AT, 0, Some("1.0"), true), Answered::Other);
        assert_eq!(versions.count(AT, 0, Some("1.0"), false), Answered::Other);
        assert_eq!(versions.count(AT, 0, None, true), Answered::Unnamed);
        assert_eq!(versions.count(AT, 0, None, false), Answered::Nobody { is_ours: false });
        assert_eq!(
            versions.why_ours_is_missing().unwrap(),
            "version 2.0 has not answered: 1.0 answered 2 requests"
        );
        assert_eq!(versions.count(AT, 0, Some("v2.0"), true), Answered::Ours);
        assert!(versions.why_ours_is_missing().is_none() && versions.has_ours_answered());
    }

    #[test]
    fn the_deployed_version_has_to_answer_at_every_target() {
        let mut versions = two();
        versions.count("http://a/", 0, Some("2.0"), true);
        versions.count("http://b/", 0, Some("1.0"), true);
        assert!(!versions.has_ours_answered());
        let why = versions.why_ours_is_missing().unwrap();
        assert_eq!(why, "version 2.0 has not answered at http://b/: 1.0 answered 1 requests");
        versions.count("http://b/", 0, Some("2.0"), true);
        versions.count("http://c/", 0, None, true);
        assert!(versions.why_ours_is_missing().is_none());
        assert!(!versions.has_ours_answered(), "c names no version");
    }

    #[test]
    fn the_replaced_version_is_gone_when_it_has_been_silent_for_long_enough() {
        let label = |text: &str| Some(text.parse().unwrap());
        let mut versions = Versions::after_rollback(label("1.0"), label("2.0"));
        versions.count(AT, 0, Some("1.0"), true);
        assert_eq!(versions.why_replaced_is_live(0), None);
        versions.count(AT, 3, Some("v2.0"), false);
        assert!(
            versions.why_replaced_is_live(6).unwrap().contains("2.0, which was rolled back, still answers")
        );
        assert_eq!(versions.why_replaced_is_live(7), None);
        // Another release of the same version.
        let mut versions = Versions::after_rollback(label("2.0"), label("2.0"));
        assert_eq!(versions.count(AT, 0, Some("2.0"), true), Answered::Ours);
        assert_eq!(versions.why_replaced_is_live(0), None);
    }

    #[test]
    fn if_the_version_is_not_known_every_answer_counts() {
        let mut versions = Versions::of(None);
        for version in [Some("1.0"), None, Some("2.0"), None] {
            assert_eq!(versions.count(AT, 0, version, version.is_some()), Answered::Ours);
        }
        assert!(versions.are_detected() && !versions.has_ours_answered());
    }

    #[test]
    fn made_up_names_are_bounded() {
        let mut versions = two();
        (0..1000).for_each(|at| {
            versions.count(&at.to_string(), 0, Some(&at.to_string()), true);
            versions.count(AT, 0, Some(&"x".repeat(1000 + at)), true);
        });
        assert!(versions.targets.len() <= MAX_NAMES + 1);
        assert!(versions.targets.values().all(|answers| answers.named.len() <= MAX_VERSIONS));
    }
}
