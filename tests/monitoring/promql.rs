//! The series that a PromQL expression names, and whether they exist.

use std::collections::BTreeSet;

use promql_parser::parser::{self, Expr, VectorSelector};
use promql_parser::util::{ExprVisitor, walk_expr};
use telemetry::catalog::{self, Kind};

use crate::repository;

/// The series that the Pushgateway and Prometheus add themselves.
const BUILT_IN: [&str; 5] =
    ["push_time_seconds", "push_failure_time_seconds", "up", "ALERTS", "scrape_duration_seconds"];

/// Parses an expression and returns its selectors.
pub(crate) fn selectors(expression: &str) -> Result<Vec<VectorSelector>, String> {
    struct Selectors(Vec<VectorSelector>);
    impl ExprVisitor for Selectors {
        type Error = String;
        fn pre_visit(&mut self, expr: &Expr) -> Result<bool, String> {
            match expr {
                Expr::VectorSelector(selector) => self.0.push(selector.clone()),
                Expr::MatrixSelector(matrix) => self.0.push(matrix.vs.clone()),
                _ => {}
            }
            Ok(true)
        }
    }
    let expr = parser::parse(expression)?;
    let mut selectors = Selectors(Vec::new());
    walk_expr(&mut selectors, &expr)?;
    Ok(selectors.0)
}

/// The problems of an expression: it must parse, and every series that it names must exist.
pub(crate) fn faults(expression: &str) -> Vec<String> {
    let selectors = match selectors(expression) {
        Ok(selectors) => selectors,
        Err(error) => return vec![format!("{error}\n{expression}")],
    };
    let existing = existing_series();
    selectors
        .iter()
        .filter_map(|selector| match &selector.name {
            None => Some(format!("a selector without a name: {selector}")),
            Some(name) if !existing.contains(name) => {
                Some(format!("no tool pushes {name}, and no rule records it"))
            }
            Some(_) => None,
        })
        .collect()
}

/// The names of all series: those of the tools, of the Pushgateway and Prometheus, and of the recording rules.
fn existing_series() -> BTreeSet<String> {
    let series_names = |family: &&catalog::Family| match family.kind {
        Kind::Histogram => {
            ["_bucket", "_count", "_sum"].map(|ending| format!("{}{ending}", family.name)).to_vec()
        }
        Kind::Counter | Kind::Gauge => vec![family.name.to_owned()],
    };
    let mut names: BTreeSet<String> = catalog::ALL.iter().flat_map(series_names).collect();
    names.extend(BUILT_IN.map(str::to_owned));
    names.extend(repository::rules().into_iter().filter_map(|rule| rule.record));
    names
}

/// The names of the series that an expression reads, and of those that the recording rules for these read.
pub(crate) fn names_read(expression: &str) -> BTreeSet<String> {
    let rules = repository::rules();
    let (mut names, mut unread) = (BTreeSet::new(), vec![expression]);
    while let Some(expression) = unread.pop() {
        for name in selectors(expression).unwrap().into_iter().filter_map(|selector| selector.name) {
            if names.insert(name.clone()) {
                let recorded = rules.iter().filter(|rule| rule.record.as_ref() == Some(&name));
                unread.extend(recorded.map(|rule| rule.expr.as_str()));
            }
        }
    }
    names
}

#[test]
fn a_misspelt_series_and_a_broken_expression_are_faults() {
    assert_eq!(faults("rate(deployment_total[5m]) > time_to_deploy_seconds_count"), Vec::<String>::new());
    assert_eq!(faults("deployments_total + up").len(), 1);
    assert_eq!(faults("time_to_deploy_seconds").len(), 1, "a histogram has no series of its own name");
    assert_eq!(faults("sum(up").len(), 1);
}
