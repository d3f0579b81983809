//! A version as it was deployed: two deployments of one version differ in their release, for example if only the
//! configuration has changed.

use common::label::Label;
use common::version;

/// A version, and the platform's name for its release, if that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Artifact<'a> {
    pub version: &'a Label,
    pub release: Option<&'a Label>,
}

impl Artifact<'_> {
    /// Whether the two may be the same: if the release of one is unknown, the version decides.
    pub(crate) fn may_be(self, other: Artifact<'_>) -> bool {
        let differ = self.release.zip(other.release).is_some_and(|(ours, theirs)| ours != theirs);
        is_same_version(self.version, other.version) && !differ
    }
}

/// Whether two names are those of one version.
pub(crate) fn is_same_version(one: &Label, other: &Label) -> bool {
    version::is_same(one.as_str(), other.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tests::label;

    #[test]
    fn two_releases_of_a_version_differ_if_both_are_known() {
        let (version, five, seven) = (label("2.0"), label("r5"), label("r7"));
        let of = |release| Artifact { version: &version, release };
        assert!(!of(Some(&five)).may_be(of(Some(&seven))));
        assert!(of(Some(&five)).may_be(of(None)) && of(None).may_be(of(None)));
    }
}
