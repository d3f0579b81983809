//! The runbooks: one for each alert, and each says what somebody needs who was just woken up.

use std::collections::BTreeSet;

use crate::promql;
use crate::repository::{alerts, names, text};

/// Where the runbooks are read, until a team puts in its own: the one text to replace in `config/`.
const BASE: &str = "https://example.com/dm";

const SECTIONS: [&str; 6] = [
    "## Meaning",
    "## Impact",
    "## Is it real?",
    "## Diagnosis",
    "## Mitigation",
    "## When not to roll back",
];

#[test]
fn every_alert_has_a_runbook_and_every_runbook_an_alert() {
    let of_alerts: BTreeSet<String> =
        alerts().iter().map(|alert| format!("docs/runbooks/DEPLOYMENT_{}.md", alert.name())).collect();
    assert_eq!(of_alerts, names("docs/runbooks", ".md").into_iter().collect::<BTreeSet<_>>());
}

#[test]
fn every_alert_leads_to_its_own_runbook() {
    for alert in alerts() {
        let name = alert.name();
        assert_eq!(alert.annotations["runbook_url"], format!("{BASE}/docs/runbooks/DEPLOYMENT_{name}.md"));
    }
}

#[test]
fn every_runbook_is_whole_and_agrees_with_its_alert() {
    for alert in alerts() {
        let name = alert.name();
        let runbook = text(&format!("docs/runbooks/DEPLOYMENT_{name}.md"));
        let mut rest = runbook.as_str();
        for section in SECTIONS {
            let found = rest.split_once(&format!("\n{section}\n"));
            rest = found.unwrap_or_else(|| panic!("{name}: no '{section}', or not in its place")).1;
        }
        let head = format!("# {name}\n\n**Severity:** {}.", alert.labels["severity"]);
        assert!(runbook.starts_with(&head), "{name}: does not start with {head:?}");
    }
}

#[test]
fn every_query_in_a_runbook_parses_and_names_series_that_exist() {
    let mut queries = 0;
    for name in names("docs/runbooks", ".md") {
        for query in text(&name).split("promtool query instant \"$PROMETHEUS_URL\" \\\n").skip(1) {
            let query = query.split('\'').nth(1).unwrap_or_else(|| panic!("{name}: a query without quotes"));
            assert_eq!(promql::faults(query), Vec::<String>::new(), "in {name}");
            queries += 1;
        }
    }
    assert!(queries > alerts().len(), "{queries}");
}
