//! The runbooks: one for each alert, with all the sections that the person on call needs.

use std::collections::BTreeSet;

use crate::promql;
use crate::repository::{alerts, names, text};

/// The placeholder for the address of the runbooks, which a team replaces in `config/`.
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
    let expected: BTreeSet<String> =
        alerts().iter().map(|alert| format!("docs/runbooks/DEPLOYMENT_{}.md", alert.name())).collect();
    assert_eq!(expected, names("docs/runbooks", ".md").into_iter().collect::<BTreeSet<_>>());
}

#[test]
fn every_alert_links_to_its_own_runbook() {
    for alert in alerts() {
        let name = alert.name();
        assert_eq!(alert.annotations["runbook_url"], format!("{BASE}/docs/runbooks/DEPLOYMENT_{name}.md"));
    }
}

#[test]
fn every_runbook_is_complete_and_matches_its_alert() {
    for alert in alerts() {
        let name = alert.name();
        let runbook = text(&format!("docs/runbooks/DEPLOYMENT_{name}.md"));
        let mut rest = runbook.as_str();
        for section in SECTIONS {
            let parts = rest.split_once(&format!("\n{section}\n"));
            rest = parts.unwrap_or_else(|| panic!("{name}: '{section}' is missing or out of order")).1;
        }
        let head = format!("# {name}\n\n**Severity:** {}.", alert.labels["severity"]);
        assert!(runbook.starts_with(&head), "{name}: does not start with {head:?}");
    }
}

#[test]
fn every_query_in_a_runbook_parses_and_names_existing_series() {
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
