//! The dashboards are generated from [`content`], which has a module for each. After a change there,
//! `UPDATE_DASHBOARDS=1 cargo test -p testkit --test monitoring dashboards` rewrites their JSON files.

#[macro_use]
mod increase;

pub(crate) mod content;
mod costs;
mod health;
mod migrations;
pub(crate) mod panel;
mod pipeline;
mod success;
mod types;

use std::collections::BTreeSet;

use content::DASHBOARDS;
use panel::{Dashboard, Kind, Panel, expression};

use crate::promql;
use crate::repository::{alerts, names, path, rules};

const FOLDER: &str = "config/grafana/dashboards";

fn file(dashboard: &Dashboard) -> String {
    format!("{FOLDER}/{}.json", dashboard.uid())
}

/// An expression after Grafana has substituted the variables, each set to "All".
pub(crate) fn substituted(query: &str) -> String {
    expression(query)
        .replace("$service", ".*")
        .replace("$environment", ".*")
        .replace("$__rate_interval", "1m")
}

fn panels() -> impl Iterator<Item = (&'static Dashboard, &'static Panel)> {
    DASHBOARDS.iter().flat_map(|dashboard| dashboard.panels.iter().map(move |panel| (dashboard, panel)))
}

#[test]
fn the_dashboard_files_match_their_source() {
    let update = std::env::var_os("UPDATE_DASHBOARDS").is_some();
    for dashboard in DASHBOARDS {
        let (name, text) = (file(dashboard), format!("{:#}\n", dashboard.json()));
        if update {
            common::fs::atomic::write(&path(&name), text.as_bytes()).unwrap();
        }
        assert!(
            std::fs::read_to_string(path(&name)).is_ok_and(|now| now == text),
            "{name} does not match its source: run \
             UPDATE_DASHBOARDS=1 cargo test -p testkit --test monitoring dashboards"
        );
    }
    let expected: BTreeSet<String> = DASHBOARDS.iter().map(file).collect();
    assert_eq!(names(FOLDER, ".json").into_iter().collect::<BTreeSet<_>>(), expected);
}

#[test]
fn every_panel_has_a_title_a_description_and_a_unit() {
    // The ids of Grafana's units that the dashboards use.
    let units = ["none", "short", "s", "ms", "percent", "percentunit", "currencyUSD", "bytes"];
    for dashboard in DASHBOARDS {
        let mut titles = BTreeSet::new();
        for panel in dashboard.panels {
            let title = panel.title;
            assert!(titles.insert(title), "{title} appears twice in {}", dashboard.title);
            assert!(
                !title.is_empty() && panel.description.ends_with('.'),
                "{title}: {:?}",
                panel.description
            );
            assert!(units.contains(&panel.unit), "{title}: {}", panel.unit);
            assert!(!panel.queries.is_empty(), "{title}");
            // Only states and labels have no unit.
            assert_eq!(panel.unit == "none", panel.states.is_some() || panel.kind == Kind::Table, "{title}");
        }
        assert!(titles.contains("Age of the data"), "{}", dashboard.title);
    }
}

#[test]
fn every_query_parses_and_uses_existing_series_and_variables() {
    for (_, panel) in panels() {
        for (query, _) in panel.queries {
            assert_eq!(promql::faults(&substituted(query)), Vec::<String>::new(), "in {}", panel.title);
            let selectors = promql::selectors(&substituted(query)).unwrap();
            // The marker, which proves that the gateway was scraped, is no service's.
            let markers = query.matches("{service=\"\"}").count();
            let filtered = query.matches("@S").count() + query.matches("@N").count();
            assert_eq!(
                filtered + markers,
                selectors.len(),
                "{}: a selector without @S in {query}",
                panel.title
            );
        }
    }
}

/// The plain value of a counter is meaningless: it is the sum since an arbitrary restart. And `increase()` of a counter as
/// it was pushed misses its first event, so the panels show what the rules have counted.
#[test]
fn every_counter_is_shown_by_its_counted_increase() {
    for (_, panel) in panels() {
        for (query, _) in panel.queries {
            let is_raw = |selector: &promql_parser::parser::VectorSelector| {
                let name = selector.name.as_deref().unwrap_or_default();
                !name.contains(':')
                    && ["_total", "_bucket", "_count", "_sum"].iter().any(|end| name.ends_with(end))
            };
            let selectors = promql::selectors(&substituted(query)).unwrap();
            let raw: Vec<_> = selectors.into_iter().filter(is_raw).collect();
            assert!(raw.is_empty(), "{}: {raw:?}", panel.title);
            assert_eq!(query.contains(":sum{"), query.contains(":sum{service=\"\"}"), "{}", panel.title);
        }
    }
}

#[test]
fn every_threshold_matches_its_alert() {
    let all_rules = rules();
    let alerting: Vec<_> = all_rules.iter().filter(|rule| rule.alert.is_some()).collect();
    for (limit, name, title) in
        panels().filter_map(|(_, panel)| panel.limit.map(|(l, name)| (l, name, panel.title)))
    {
        let alert = alerting
            .iter()
            .find(|alert| alert.name() == name)
            .unwrap_or_else(|| panic!("{title}: no {name}"));
        // The rule that counts for an alert may have its threshold.
        let read = promql::names_read(&alert.expr);
        let counted =
            all_rules.iter().filter(|rule| rule.record.as_ref().is_some_and(|name| read.contains(name)));
        let mut numbers = [*alert]
            .into_iter()
            .chain(counted)
            .flat_map(|rule| rule.expr.split(|c: char| !c.is_ascii_alphanumeric() && c != '.'));
        assert!(numbers.any(|word| word == limit.to_string()), "{title}: {limit} is not in {name}");
    }
}

#[test]
fn the_success_rate_turns_red_if_its_objective_is_missed() {
    let rules = rules();
    let objective = rules.iter().find(|rule| {
        rule.name() == "slo:objective:ratio"
            && rule.labels.get("slo").is_some_and(|slo| slo == "deployment_success")
    });
    let (_, panel) = panels().find(|(_, panel)| panel.title == "Success rate, 30 d").unwrap();
    assert_eq!(objective.unwrap().expr, format!("vector({})", panel.minimum.unwrap()));
}

#[test]
fn every_alert_links_to_an_existing_dashboard() {
    let uids: BTreeSet<String> = DASHBOARDS.iter().map(Dashboard::uid).collect();
    for alert in alerts() {
        let url = &alert.annotations["dashboard_url"];
        let uid = url.strip_prefix("https://grafana.example.com/d/").unwrap().split('?').next().unwrap();
        assert!(uids.contains(uid), "{}: {url}", alert.name());
    }
}

/// Properties that Grafana relies on, however the file was made.
#[test]
fn the_files_have_unique_ids_no_overlaps_and_one_data_source() {
    for dashboard in DASHBOARDS {
        let json = dashboard.json();
        let mut ids = BTreeSet::new();
        let mut taken = BTreeSet::new();
        for panel in json["panels"].as_array().unwrap() {
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
            let at = |side: &str| panel["gridPos"][side].as_u64().unwrap();
            assert!(at("x") + at("w") <= 24, "{panel}");
            for cell in
                (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y)))
            {
                assert!(taken.insert(cell), "{}: two panels at {cell:?}", dashboard.title);
            }
            for target in panel["targets"].as_array().unwrap() {
                assert_eq!(target["datasource"]["uid"], "${datasource}");
            }
        }
        assert_eq!(json["editable"], false);
        for annotation in json["annotations"]["list"].as_array().unwrap() {
            let query = annotation["target"]["expr"].as_str().unwrap();
            assert_eq!(promql::faults(&substituted(query)), Vec::<String>::new());
        }
    }
}
