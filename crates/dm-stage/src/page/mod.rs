//! The page of a deployment in Markdown, for the summary of a CI run. Its first line answers which stage failed, why, what
//! is live, and whether the rollback worked. Pure.

mod evidence;
mod gantt;
mod links;
mod table;
#[cfg(test)]
mod tests;

use common::duration::format_duration;

use crate::deployment::Deployment;
use crate::sentence::{Conclusion, Outcome};
use common::markdown::{folded, link, text};
pub(crate) use links::{LinkArgs, LinkBases, links};
pub(crate) use table::mark;

/// The page.
pub(crate) fn page(deployment: &Deployment<'_>, conclusion: &Conclusion, bases: &LinkBases) -> String {
    let title = format!("**{} {}**", sign(conclusion), text(&conclusion.sentence));
    let subject = subject(deployment, conclusion, bases);
    let stages = format!("{}\n{}", table::table(deployment), gantt::chart(deployment));
    let count = deployment.last_run().filter(|row| !row.is_deployment && table::is_shown(row)).count();
    if count == 0 {
        return format!("{title}\n\n{subject}\n");
    }
    let stages = if conclusion.outcome == Outcome::Deployed {
        let title = if count == 1 { "1 stage".to_owned() } else { format!("{count} stages") };
        folded(&title, &stages)
    } else {
        stages
    };
    format!("{title}\n\n{subject}\n\n{}{stages}", evidence::evidence(deployment))
}

/// What was deployed where, when and by whom, and where to look further.
fn subject(deployment: &Deployment<'_>, conclusion: &Conclusion, bases: &LinkBases) -> String {
    let identity = deployment.identity;
    let version = identity.version.as_ref().map(|version| format!(" {}", text(version.as_str())));
    let what = format!(
        "{}{} to {}",
        text(identity.service.as_str()),
        version.unwrap_or_default(),
        text(identity.environment.as_str())
    );
    let mut parts = vec![
        what,
        format!("deployment {}", text(identity.deployment.as_str())),
        deployment.began.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
        format_duration((deployment.until - deployment.began).to_std().unwrap_or_default()),
    ];
    parts.extend(identity.actor.as_ref().map(|actor| format!("by {}", text(actor.as_str()))));
    let links = links(deployment, conclusion, bases);
    parts.extend(links.iter().map(|(name, url)| link(name, url)));
    parts.join(" · ")
}

/// A sign for the whole, to be found at a glance.
fn sign(conclusion: &Conclusion) -> &'static str {
    match conclusion.outcome {
        Outcome::Deployed | Outcome::Ended => "✅",
        Outcome::Skipped => "➖",
        Outcome::Failed => "❌",
        Outcome::Inconclusive | Outcome::Unknown => "❔",
        Outcome::Cancelled => "🚫",
        Outcome::Interrupted => "💥",
        Outcome::Running => "⏳",
    }
}
