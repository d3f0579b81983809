//! What it means that a selector of errors selects nothing: no errors yet, or a selector that never will.

use anyhow::Result;
use chrono::{DateTime, Utc};

use super::client::Client;
use super::selector::{Matcher, Selector};
use super::status::{STATUS_LABELS, can_match};

/// What is known about a selector of errors that selects no series now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// It selected series before.
    Known,
    /// The series may begin with the first error.
    NoneYet(String),
    /// There is nothing that it could select: the series may begin later.
    Missing(String),
    /// The values of its label contradict it.
    NeverMatches(String),
}

/// Asks the server about a selector of errors. `total` selects all requests.
pub(super) async fn examine(
    client: &Client,
    flag: &str,
    error: &str,
    total: &str,
    now: DateTime<Utc>,
) -> Result<Standing> {
    let Some(selector) = Selector::parse(error) else {
        return Ok(Standing::NoneYet(format!(
            "{flag} {error} selects no series: nobody can tell whether there were no errors or they are not counted"
        )));
    };
    if !client.values("__name__", &selector, now).await?.is_empty() {
        return Ok(Standing::Known);
    }
    // What distinguishes errors from other requests: the status, and labels that the selector of all requests ignores.
    let total = Selector::parse(total);
    let tells_errors = |matcher: &Matcher| {
        let label = matcher.label.as_str();
        STATUS_LABELS.contains(&label) || !total.as_ref().is_some_and(|total| total.mentions(&[label]))
    };
    let (failed, rest): (Vec<Matcher>, Vec<Matcher>) =
        selector.matchers.iter().cloned().partition(tells_errors);
    let rest = Selector::new(&selector.name, rest);
    let missing = |what: &Selector| {
        Standing::Missing(format!(
            "{flag} {error}: Prometheus has no series {what}, so errors would not be noticed"
        ))
    };
    if failed.is_empty() || client.values("__name__", &rest, now).await?.is_empty() {
        return Ok(missing(&rest));
    }
    let mut labels: Vec<&str> = failed.iter().map(|matcher| matcher.label.as_str()).collect();
    labels.sort_unstable();
    labels.dedup();
    let mut known = Vec::new();
    for label in labels {
        let seen = client.values(label, &rest, now).await?;
        if seen.is_empty() {
            return Ok(missing(&rest.with(Matcher::exists(label))));
        }
        let values = format!("{label} {}", seen.iter().take(10).cloned().collect::<Vec<_>>().join(", "));
        let matchers: Vec<&Matcher> = failed.iter().filter(|matcher| matcher.label == label).collect();
        if !can_match(&matchers, &seen) {
            return Ok(Standing::NeverMatches(format!(
                "{flag} {error} selects no series, and never will: {rest} has {values}"
            )));
        }
        known.push(values);
    }
    Ok(Standing::NoneYet(format!(
        "{flag} {error} selects no series yet: this is taken for no errors so far ({rest} has {})",
        known.join("; ")
    )))
}
