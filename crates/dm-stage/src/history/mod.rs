//! The deployments in the journals, a line for each.

mod table;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use common::identity::Identity;
use common::label::Label;

use crate::deployment::Deployment;
use crate::sentence::{Conclusion, LiveState};
pub(crate) use table::table;

/// Which deployments.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    pub(crate) service: Option<Label>,
    pub(crate) environment: Option<Label>,
    /// Those that began within this time.
    pub(crate) since: Option<TimeDelta>,
}

/// The deployments, newest first.
#[derive(Debug)]
pub(crate) struct History<'a> {
    pub(crate) lines: Vec<Line<'a>>,
}

/// A deployment.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    pub(crate) deployment: &'a Deployment<'a>,
    pub(crate) conclusion: Conclusion,
    /// Where its version is now.
    pub(crate) now: Now,
}

/// Where the version of a deployment is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Now {
    Live,
    MayBeLive,
    /// It was live until another one was.
    Replaced,
    /// It was rolled back to this version, if that is known by name.
    RolledBack(Option<Label>),
    NotDeployed,
    Unknown,
}

/// What later deployments say about the one before them.
#[derive(Debug, Clone, Default)]
enum Later {
    /// There is none, or none changed what is live.
    #[default]
    Nothing,
    /// One may have replaced it.
    Perhaps,
    /// One restored this version.
    Restored(Label),
    /// One replaced it.
    Replaced,
}

impl Filter {
    /// Whether it selects what happens to the service of this identity in its environment.
    pub(crate) fn selects(&self, identity: &Identity) -> bool {
        let is_wanted = |wanted: &Option<Label>, label| wanted.as_ref().is_none_or(|it| it == label);
        is_wanted(&self.service, &identity.service) && is_wanted(&self.environment, &identity.environment)
    }
}

impl<'a> History<'a> {
    /// Those of these deployments, newest first, that the filter selects.
    pub(crate) fn of(deployments: &'a [Deployment<'a>], filter: &Filter, now: DateTime<Utc>) -> Self {
        let mut later: BTreeMap<(&Label, &Label), Later> = BTreeMap::new();
        let mut lines = Vec::new();
        for deployment in deployments {
            let identity = deployment.identity;
            let is_old = filter.since.is_some_and(|since| now - deployment.began > since);
            if is_old || !filter.selects(identity) {
                continue;
            }
            let conclusion = Conclusion::of(deployment);
            let later = later.entry((&identity.service, &identity.environment)).or_default();
            let now = later.then(&conclusion.live, identity.version.as_ref());
            lines.push(Line { deployment, conclusion, now });
        }
        Self { lines }
    }

    /// The id of the newest one.
    pub(crate) fn newest(&self) -> Option<&'a Label> {
        self.lines.first().map(|line| &line.deployment.identity.deployment)
    }
}

impl Now {
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::MayBeLive => "may be live",
            Self::Replaced => "replaced",
            Self::RolledBack(_) => "rolled back",
            Self::NotDeployed => "not deployed",
            Self::Unknown => "unknown",
        }
    }
}

impl Later {
    /// Where the version of a deployment is now that ended like this. Afterwards, `self` is what the one before it needs.
    fn then(&mut self, live: &LiveState, version: Option<&Label>) -> Now {
        match live {
            LiveState::NotDeployed => Now::NotDeployed,
            LiveState::Unknown => Now::Unknown,
            LiveState::RolledBack(target) => {
                if let Self::Nothing = self {
                    *self = target.clone().map_or(Self::Perhaps, Self::Restored);
                }
                Now::RolledBack(target.clone())
            }
            LiveState::MayBeLive => {
                let now = if matches!(self, Self::Replaced) { Now::Replaced } else { Now::MayBeLive };
                if let Self::Nothing = self {
                    *self = Self::Perhaps;
                }
                now
            }
            LiveState::Live => {
                let now = match &*self {
                    Self::Nothing => Now::Live,
                    Self::Perhaps => Now::MayBeLive,
                    Self::Restored(restored) if version == Some(restored) => Now::Live,
                    Self::Restored(_) => return Now::Replaced,
                    Self::Replaced => Now::Replaced,
                };
                *self = Self::Replaced;
                now
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where versions are now, given how their deployments ended, newest first.
    fn now(endings: &[(&str, LiveState)]) -> Vec<&'static str> {
        let mut later = Later::default();
        let of =
            |(version, live): &(&str, LiveState)| later.then(live, Some(&version.parse().unwrap())).as_str();
        endings.iter().map(of).collect()
    }

    #[test]
    fn only_what_nothing_later_replaced_is_live() {
        use LiveState::{Live, MayBeLive, NotDeployed, RolledBack};
        let back_to = |version: &str| RolledBack(Some(version.parse().unwrap()));
        assert_eq!(now(&[("3", Live), ("2", Live)]), ["live", "replaced"]);
        assert_eq!(
            now(&[("3", NotDeployed), ("2", Live), ("1", Live)]),
            ["not deployed", "live", "replaced"]
        );
        assert_eq!(
            now(&[("3", back_to("1")), ("2", Live), ("1", Live)]),
            ["rolled back", "replaced", "live"]
        );
        assert_eq!(
            now(&[("3", RolledBack(None)), ("2", Live), ("1", Live)]),
            ["rolled back", "may be live", "replaced"]
        );
        assert_eq!(
            now(&[("3", MayBeLive), ("2", Live), ("1", Live)]),
            ["may be live", "may be live", "replaced"]
        );
        assert_eq!(now(&[("3", Live), ("2", MayBeLive)]), ["live", "replaced"]);
    }
}
