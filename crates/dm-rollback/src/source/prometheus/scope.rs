//! Which series belong to the service in this environment. What would be mixed is not guessed. Pure.

use std::collections::BTreeSet;

use common::label::Label;

use super::selector::{Matcher, Selector};
use super::series::{Labels, Series};
use crate::source::unusable::Unusable;

/// The labels that usually hold the environment.
const ENVIRONMENT_LABELS: [&str; 4] =
    ["environment", "env", "deployment_environment_name", "deployment_environment"];

/// The labels with which several servers that scrape the same targets name themselves.
const REPLICA_LABELS: [&str; 3] = ["prometheus_replica", "replica", "__replica__"];

/// A label that may hold the environment, and may hold something else.
const NAMESPACE: &str = "namespace";

/// The maximum number of selectors that a message shows.
const SHOWN: usize = 4;

/// The values of a label; empty for series that do not have it.
fn values<'a>(series: &[&'a Series], label: &str) -> BTreeSet<&'a str> {
    series.iter().map(|series| value(&series.labels, label)).collect()
}

fn value<'a>(labels: &'a Labels, label: &str) -> &'a str {
    labels.get(label).map_or("", String::as_str)
}

/// Limits a selector that was not written by the caller to this environment.
pub(super) fn limit(
    flag: &str,
    selector: Selector,
    series: &[Series],
    environment: &Label,
) -> Result<Selector, Unusable> {
    let mut series: Vec<&Series> = series.iter().collect();
    let is_ours = |label: &&&str| values(&series, label).contains(environment.as_str());
    let is_stated = |label: &&str| values(&series, label).iter().any(|value| !value.is_empty());
    let stated = ENVIRONMENT_LABELS.into_iter().find(|label| is_stated(label));
    // Where another label states the environment, a namespace is something else.
    let namespace = stated.is_none().then_some(&NAMESPACE);
    let ours = ENVIRONMENT_LABELS.iter().chain(namespace).find(is_ours).copied();
    let mut selector = selector;
    if let Some(label) = ours {
        selector = selector.with(Matcher::is(label, environment.as_str()));
        series.retain(|series| value(&series.labels, label) == environment.as_str());
    } else if let Some(label) = stated {
        let others = values(&series, label);
        let choices = choices(flag, &selector, label, &others);
        return Err(Unusable(format!(
            "Prometheus has {selector} only with {}, and this deployment is to {environment}: give --environment, or write \
             the counter that is meant: {choices}",
            list(label, &others)
        )));
    }
    // Within an environment, a namespace is a part of the service.
    for label in ["job"].into_iter().chain(ours.is_none().then_some(NAMESPACE)) {
        let found = values(&series, label);
        if found.len() > 1 {
            let choices = choices(flag, &selector, label, &found);
            return Err(Unusable(format!(
                "Prometheus has {selector} with {}, which would be mixed: write the one that is meant: {choices}",
                list(label, &found)
            )));
        }
    }
    Ok(selector)
}

/// Checks that the selected series are those of this environment, unless the selector says which ones are meant. Series
/// without an environment may be of any.
pub(super) fn check(
    flag: &str,
    selector: &str,
    series: &[Series],
    environment: &Label,
) -> Result<(), Unusable> {
    // A form that only Prometheus understands was written on purpose.
    let Some(selector) = Selector::parse(selector) else { return Ok(()) };
    let series: Vec<&Series> = series.iter().collect();
    let ours = environment.as_str();
    let is_stated = |label: &&str| values(&series, label).iter().any(|value| !value.is_empty());
    let stated: Vec<&str> = ENVIRONMENT_LABELS.into_iter().filter(is_stated).collect();
    // Where another label states the environment, a namespace is something else.
    let labels = if stated.is_empty() { vec![NAMESPACE] } else { stated };
    // A label that says of all series that they are ours is enough.
    let is_ours = |label: &&str| values(&series, label).iter().all(|value| *value == ours);
    if selector.mentions(&ENVIRONMENT_LABELS) || selector.mentions(&labels) || labels.iter().any(is_ours) {
        return Ok(());
    }
    for label in labels {
        let found = values(&series, label);
        let is_other = |value: &&str| !value.is_empty() && *value != ours;
        // One namespace is the service's, whatever its name is.
        let is_mixed = found.len() > 1 || label != NAMESPACE;
        if is_mixed && found.iter().any(is_other) {
            let meant = if found.contains(ours) { [ours].into() } else { found.clone() };
            let choices = choices(flag, &selector, label, &meant);
            return Err(Unusable(format!(
                "{flag} {selector} selects {}, and this deployment is to {environment}; nothing is guessed or mixed: write \
                 {choices}, or a matcher of {label} that selects what you mean",
                list(label, &found)
            )));
        }
    }
    Ok(())
}

/// Checks that no request is counted twice: two servers of a pair that scrape the same targets have the same series, which
/// differ in nothing but the name of the server.
pub(super) fn check_replicas(flag: &str, selector: &str, series: &[&Series]) -> Result<(), Unusable> {
    for label in REPLICA_LABELS {
        let mut seen = BTreeSet::new();
        let replicas = series.iter().filter(|series| {
            ["instance", label].iter().all(|label| !value(&series.labels, label).is_empty())
        });
        let is_double = |series: &&&Series| {
            let mut labels = series.labels.clone();
            labels.remove(label);
            !seen.insert(labels)
        };
        if let Some(double) = replicas.clone().find(is_double) {
            let found: Vec<&Series> = replicas.copied().collect();
            let one = Matcher::is(label, value(&double.labels, label));
            // Of a form that only Prometheus understands, the label is shown alone.
            let selector = Selector::parse(selector).unwrap_or_else(|| Selector::new("", Vec::new()));
            let found = list(label, &values(&found, label));
            return Err(Unusable(format!(
                "Prometheus has each series several times, with {found}, which would be added up: write one of them: {flag} \
                 '{}'",
                selector.with(one)
            )));
        }
    }
    Ok(())
}

/// `environment "production" and "staging"`
fn list(label: &str, values: &BTreeSet<&str>) -> String {
    let value = |value: &&str| if value.is_empty() { "none".to_owned() } else { format!("{value:?}") };
    let values: Vec<String> = values.iter().map(value).collect();
    match values.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{label} {} and {last}", rest.join(", ")),
        _ => format!("{label} {}", values.join("")),
    }
}

/// The complete selectors to choose from, as flags.
fn choices(flag: &str, selector: &Selector, label: &str, values: &BTreeSet<&str>) -> String {
    let choice = |value: &&str| format!("{flag} '{}'", selector.with(Matcher::is(label, value)));
    let choices: Vec<String> = values.iter().take(SHOWN).map(choice).collect();
    choices.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(labels: &[(&str, &str)]) -> Series {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Series { labels, samples: Vec::new(), is_native: false }
    }

    fn limited(series: &[Series]) -> Result<String, String> {
        let selector = Selector::new("n", vec![Matcher::is("service", "api")]);
        let environment = Label::sanitize("production").unwrap();
        limit("--total-query", selector, series, &environment)
            .map(|selector| selector.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_environment_is_selected_if_series_have_it() {
        for label in
            ["environment", "env", "deployment_environment", "deployment_environment_name", "namespace"]
        {
            let found = [series(&[(label, "production")]), series(&[(label, "staging")])];
            assert_eq!(limited(&found), Ok(format!(r#"n{{service="api",{label}="production"}}"#)));
        }
        for found in [vec![], vec![series(&[])], vec![series(&[("job", "x"), ("namespace", "shop")])]] {
            assert_eq!(limited(&found), Ok(r#"n{service="api"}"#.to_owned()));
        }
        let parts = ["eu", "us"].map(|part| series(&[("env", "production"), ("namespace", part)]));
        assert!(limited(&parts).is_ok());
    }

    #[test]
    fn what_would_be_mixed_is_refused() {
        let other = limited(&[series(&[("environment", "staging")])]).unwrap_err();
        assert!(other.contains(r#"only with environment "staging""#), "{other}");
        assert!(other.contains(r#"--total-query 'n{service="api",environment="staging"}'"#), "{other}");
        let two = [series(&[("env", "qa")]), series(&[("env", "prod")]), series(&[])];
        let two = limited(&two).unwrap_err();
        assert!(two.contains(r#"env none, "prod" and "qa""#), "{two}");
        for label in ["job", "namespace"] {
            let mixed = limited(&[series(&[(label, "a")]), series(&[(label, "b")])]).unwrap_err();
            assert!(mixed.contains("would be mixed") && mixed.contains(&format!("{label}=\"b\"")), "{mixed}");
        }
        // A namespace does not overrule the environment.
        let namespace = [series(&[("environment", "staging"), ("namespace", "production")])];
        assert!(limited(&namespace).unwrap_err().contains("only with environment"));
        // Another environment's job does not matter.
        let jobs = [
            series(&[("environment", "production"), ("job", "a")]),
            series(&[("environment", "staging"), ("job", "b")]),
        ];
        assert!(limited(&jobs).is_ok());
    }

    #[test]
    fn a_request_that_two_servers_have_counted_is_not_two() {
        let check = |all: &[&[(&str, &str)]]| {
            let all: Vec<Series> = all.iter().map(|labels| series(labels)).collect();
            let all = check_replicas("--total-query", r#"n{job="a"}"#, &all.iter().collect::<Vec<_>>());
            all.map_err(|error| error.to_string())
        };
        for label in REPLICA_LABELS {
            let of = |instance, replica| [("instance", instance), (label, replica)];
            let error = check(&[&of("a", "0"), &of("b", "0"), &of("a", "1")]).unwrap_err();
            assert!(error.contains(&format!(r#"with {label} "0" and "1""#)), "{error}");
            assert!(error.contains(&format!(r#"--total-query 'n{{job="a",{label}="1"}}'"#)), "{error}");
            assert_eq!(check(&[&of("a", "0"), &of("b", "1")]), Ok(()), "of the service itself");
            assert_eq!(check(&[&[(label, "0")], &[(label, "1")]]), Ok(()));
        }
    }

    #[test]
    fn the_caller_s_own_selector_may_mix_only_on_purpose() {
        let both = [series(&[("environment", "production")]), series(&[("environment", "staging")])];
        let environment = Label::sanitize("production").unwrap();
        let checked = |selector| check("--total-query", selector, &both, &environment);
        let error = checked(r#"n{job="a"}"#).unwrap_err().to_string();
        assert!(error.contains(r#"--total-query 'n{job="a",environment="production"}'"#), "{error}");
        assert!(checked(r#"n{job="a",environment=~".+"}"#).is_ok());
        let of = |labels: &[&[(&str, &str)]], selector: &str| {
            let found: Vec<Series> = labels.iter().map(|labels| series(labels)).collect();
            check("--total-query", selector, &found, &environment)
        };
        let (production, staging) = (&[("environment", "production")][..], &[("environment", "staging")][..]);
        assert!(of(&[production], "n").is_ok() && of(&[&[]], "n").is_ok() && of(&[], "n").is_ok());
        // The label is new: the series from before the deployment do not have it.
        assert!(of(&[&[], production], "n").is_ok());
        for mixed in [&[&[][..], staging][..], &[staging]] {
            let error = of(mixed, "n").unwrap_err().to_string();
            assert!(error.contains(r#""staging", and this deployment is to production"#), "{error}");
        }
        assert!(of(&[staging], r#"n{environment="staging"}"#).is_ok());
        let namespaces = [&[("namespace", "production")][..], &[("namespace", "staging")]];
        assert!(of(&namespaces, "n").unwrap_err().to_string().contains("namespace"));
        assert!(of(&namespaces, r#"n{namespace=~".+"}"#).is_ok());
        assert!(of(&[&[("namespace", "shop")]], "n").is_ok(), "the service's own");
        let blue = [("environment", "production"), ("env", "blue")];
        let green = [("environment", "production"), ("env", "green"), ("namespace", "x")];
        assert!(of(&[&blue, &green], "n").is_ok(), "another label says that all are ours");
    }
}
