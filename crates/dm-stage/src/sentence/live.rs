//! What the events say about what is live: deployed, rolled back, verified or not.

use common::event::{Detail, Event, NOT_LIVE, RollbackResult, SourceCount, Status};
use common::label::{Label, Stage};

use super::describe::cause;

/// The stages that replace the live version.
const DEPLOYING: [&str; 4] = ["deploy", "release", "rollout", "promote"];

/// The services of a deployment.
#[derive(Debug)]
pub(super) struct Live<'a> {
    services: Vec<Service<'a>>,
    /// Whether a stage that would have deployed was skipped, and none ran.
    is_undeployed: bool,
}

/// What happened to a service.
#[derive(Debug)]
struct Service<'a> {
    name: &'a Label,
    /// Whether a stage began to replace its version.
    is_deployed: bool,
    /// Why the last stage that would have replaced its version was skipped.
    why_skipped: Option<&'a Label>,
    /// The release that is live as before, if that is known.
    release: Option<&'a Label>,
    /// The verdict that counts.
    judged: Option<&'a Event>,
    /// The command of a rollback that no verdict asked for.
    put_back: Option<&'a Event>,
}

/// A verdict that did not lead to a rollback.
#[derive(Debug)]
pub(super) struct Judged<'a> {
    pub(super) verdict: &'a str,
    pub(super) why: &'a str,
    pub(super) evidence: &'a [SourceCount],
}

impl<'a> Live<'a> {
    /// What the events of a deployment's stages say.
    pub(super) fn of(events: &[&'a Event]) -> Self {
        let mut services: Vec<Service<'a>> = Vec::new();
        let is_deploying = |event: &Event| DEPLOYING.contains(&event.stage.as_str());
        let deploying = || events.iter().filter(|event| is_deploying(event));
        for event in events {
            let name = &event.identity.service;
            let place = services.iter().position(|service| service.name == name).unwrap_or_else(|| {
                services.push(Service {
                    name,
                    is_deployed: false,
                    why_skipped: None,
                    release: None,
                    judged: None,
                    put_back: None,
                });
                services.len() - 1
            });
            services[place].add(event, is_deploying(event));
        }
        let is_undeployed =
            deploying().next().is_some() && deploying().all(|event| event.status == Status::Skipped);
        Self { services, is_undeployed }
    }

    /// Whether it is on record that nothing was deployed.
    pub(super) fn is_undeployed(&self) -> bool {
        self.is_undeployed && self.is_undisturbed()
    }

    /// Whether no verdict and no command rolled anything back, or should have.
    pub(super) fn is_undisturbed(&self) -> bool {
        self.services.iter().all(|service| !service.is_to_be_rolled_back() && service.put_back.is_none())
    }

    /// Whether a version that did not prove good may be live.
    pub(super) fn is_in_doubt(&self, whole: &Event) -> bool {
        self.may_be_live(whole).is_some()
    }

    /// Whether a service was rolled back, and that was verified.
    pub(super) fn is_restored(&self) -> bool {
        self.services.iter().any(Service::is_restored)
    }

    /// The last verdict on each service.
    pub(super) fn verdicts(&self) -> Vec<Judged<'a>> {
        self.services.iter().filter_map(|service| service.judged.and_then(Judged::of)).collect()
    }

    /// The services that were deployed without a verdict on them.
    pub(super) fn not_judged(&self) -> Vec<String> {
        let unjudged = self.services.iter().filter(|service| service.is_deployed && service.judged.is_none());
        unjudged.map(|service| service.name.to_string()).collect()
    }

    /// What a failed or cancelled deployment leaves, a clause for each fact. `is_explained` says that the stage that failed is
    /// known.
    pub(super) fn clauses(&self, whole: &Event, is_explained: bool) -> Vec<String> {
        if self.is_undeployed() {
            let mut why = self.services.iter().filter_map(|service| service.why_skipped);
            let why = why.next().filter(|_| !is_explained).map(|why| format!(": {why}"));
            let nothing = format!("nothing was deployed{}", why.unwrap_or_default());
            return [vec![nothing], self.live_releases()].concat();
        }
        let mut clauses: Vec<String> = Vec::new();
        for service in &self.services {
            if let Some(judged) = service.judged.filter(|_| service.is_to_be_rolled_back()) {
                clauses.push(rollback(judged));
            } else if service.is_untouched() {
                let release = service.release.map(|release| format!(", release {release} is live as before"));
                clauses.push(format!("nothing of {} went live{}", service.name, release.unwrap_or_default()));
            } else if let Some(command) = service.put_back {
                let name = service.name;
                clauses.push(if command.status == Status::Success {
                    format!("the rollback command of {name} ran, NOT verified")
                } else {
                    format!("the rollback command of {name} FAILED: {}", cause(command))
                });
            }
        }
        clauses.extend(self.may_be_live(whole));
        clauses
    }

    /// What is live if nothing was deployed, a clause for each release.
    fn live_releases(&self) -> Vec<String> {
        let undeployed: Vec<&Service<'_>> =
            self.services.iter().filter(|service| service.why_skipped.is_some()).collect();
        let mut releases: Vec<&Label> = Vec::new();
        for release in undeployed.iter().filter_map(|service| service.release) {
            if !releases.contains(&release) {
                releases.push(release);
            }
        }
        let clause = |release: &&Label| {
            let with_it: Vec<&str> = undeployed
                .iter()
                .filter(|service| service.release == Some(release))
                .map(|service| service.name.as_str())
                .collect();
            let is_everywhere = with_it.len() == undeployed.len();
            let of = if is_everywhere { String::new() } else { format!(" ({})", with_it.join(", ")) };
            format!("release {release} is live{of}")
        };
        releases.iter().map(clause).collect()
    }

    /// The new version, unless everything that was deployed is known to be rolled back.
    fn may_be_live(&self, whole: &Event) -> Option<String> {
        let replaced: Vec<&Service<'_>> = self
            .services
            .iter()
            .filter(|service| service.is_deployed || service.is_to_be_rolled_back())
            .collect();
        let remaining: Vec<&str> = replaced
            .iter()
            .filter(|service| !service.is_restored() && !service.is_untouched())
            .map(|service| service.name.as_str())
            .collect();
        let is_whole_unknown = replaced.is_empty() && whole.status == Status::Cancelled;
        if remaining.is_empty() && !is_whole_unknown {
            return None;
        }
        let version = whole.identity.version.as_ref().map_or("the new version", Label::as_str);
        let of = if replaced.len() > 1 { format!(" ({})", remaining.join(", ")) } else { String::new() };
        Some(format!("{version} may be live{of}"))
    }
}

impl<'a> Service<'a> {
    fn add(&mut self, event: &'a Event, is_deploying: bool) {
        match &event.detail {
            Detail::Rollback { result, live_release, .. } => {
                self.release = live_release.as_ref();
                // What was done counts, whatever was asked afterwards.
                let was_done = self.judged.is_some_and(|judged| result_of(judged).is_some());
                if result.is_some() || !was_done {
                    self.judged = Some(event);
                }
            }
            Detail::Stage(_) if event.stage == Stage::rollback() && event.status != Status::Skipped => {
                self.put_back = Some(event);
            }
            Detail::Stage(child) if is_deploying && event.status == Status::Skipped => {
                self.why_skipped = child.skip_reason.as_ref();
                self.release = child.live_release.as_ref();
            }
            _ => self.is_deployed |= is_deploying,
        }
    }

    fn is_to_be_rolled_back(&self) -> bool {
        self.judged.is_some_and(
            |event| matches!(&event.detail, Detail::Rollback { verdict, .. } if verdict == "rollback"),
        )
    }

    /// Whether it is known that its version was not replaced.
    fn is_untouched(&self) -> bool {
        self.judged.is_some_and(
            |event| matches!(&event.detail, Detail::Rollback { verdict, .. } if verdict == NOT_LIVE),
        )
    }

    fn is_restored(&self) -> bool {
        self.judged.and_then(result_of) == Some(RollbackResult::Verified)
    }
}

impl<'a> Judged<'a> {
    fn of(event: &'a Event) -> Option<Self> {
        let Detail::Rollback { verdict, why, evidence, .. } = &event.detail else { return None };
        Some(Self { verdict, why: why.as_deref().unwrap_or("no reason is on record"), evidence })
    }
}

fn result_of(event: &Event) -> Option<RollbackResult> {
    match event.detail {
        Detail::Rollback { result, .. } => result,
        _ => None,
    }
}

/// What was done about a verdict to roll back.
fn rollback(event: &Event) -> String {
    let service = &event.identity.service;
    let Detail::Rollback { result, target, .. } = &event.detail else { return String::new() };
    let to = target.as_ref().map(|target| format!(" to {target}")).unwrap_or_default();
    let cause = event.cause.as_deref().unwrap_or("no reason is on record");
    match result {
        Some(RollbackResult::Verified) => format!("{service} rolled back{to}, verified"),
        Some(RollbackResult::Unverified) => {
            let cause = cause.trim_start_matches("rolled back, NOT verified: ");
            format!("{service} rolled back{to}, NOT verified: {cause}")
        }
        Some(RollbackResult::Failed) => {
            let cause = cause.trim_start_matches("the rollback FAILED: ");
            format!("the rollback of {service}{to} FAILED: {cause}")
        }
        None => format!("{service} NOT rolled back: {}", cause.trim_start_matches("NOT rolled back: ")),
    }
}
