//! Which series a PromQL expression names, and whether the tools push them.

use std::collections::BTreeSet;

use promql_parser::parser::{self, Expr, VectorSelector};
use promql_parser::util::{ExprVisitor, walk_expr};
use telemetry::metrics::catalog::{self, Kind};

use crate::repository;

/// What the gateway and Prometheus add themselves.
const NOT_OURS: [&str; 5] =
    ["push_time_seconds", "push_failure_time_seconds", "up", "ALERTS", "scrape_duration_seconds"];

/// Parses an expression, and gives the selectors in it.
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
    let mut found = Selectors(Vec::new());
    walk_expr(&mut found, &expr)?;
    Ok(found.0)
}

/// What is wrong with the series that an expression names: it has to parse, and each of them has to exist.
pub(crate) fn faults(expression: &str) -> Vec<String> {
    let selectors = match selectors(expression) {
        Ok(selectors) => selectors,
        Err(error) => return vec![format!("{error}\n{expression}")],
    };
    let known = known();
    selectors
        .iter()
        .filter_map(|selector| match &selector.name {
            None => Some(format!("a selector without a name: {selector}")),
            Some(name) if !known.contains(name) => {
                Some(format!("{name} is pushed by no tool and recorded by no rule"))
            }
            Some(_) => None,
        })
        .collect()
}

/// Every series that there is: of the tools, of the gateway and Prometheus, and of the recording rules.
fn known() -> BTreeSet<String> {
    let of_family = |family: &&catalog::Family| match family.kind {
        Kind::Histogram => {
            ["_bucket", "_count", "_sum"].map(|ending| format!("{}{ending}", family.name)).to_vec()
        }
        Kind::Counter | Kind::Gauge => vec![family.name.to_owned()],
    };
    let mut known: BTreeSet<String> = catalog::ALL.iter().flat_map(of_family).collect();
    known.extend(NOT_OURS.map(str::to_owned));
    known.extend(repository::rules().into_iter().filter_map(|rule| rule.record));
    known
}

#[test]
fn a_misspelt_series_and_a_broken_expression_are_faults() {
    assert_eq!(faults("rate(deployment_total[5m]) > time_to_deploy_seconds_count"), Vec::<String>::new());
    assert_eq!(faults("deployments_total + up").len(), 1);
    assert_eq!(faults("time_to_deploy_seconds").len(), 1, "a histogram has no series of its own name");
    assert_eq!(faults("sum(up").len(), 1);
}
