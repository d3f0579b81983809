//! Panels and dashboards as plain data, and their conversion to Grafana's JSON.

use serde_json::{Value, json};

/// The type of a panel: how it shows the results of its queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The last value, large.
    Stat,
    /// The last value of each series, as a bar.
    Bars,
    /// Lines over time.
    Lines,
    /// One bar per day.
    Daily,
    /// States over time.
    States,
    /// Buckets over time.
    Heatmap,
    /// The labels of the last values.
    Table,
    /// The labels of the last values, and two values for each: the time since then, and a duration.
    Stages,
    /// Shares of the whole.
    Pie,
}

/// One panel of a dashboard.
#[derive(Debug)]
pub(crate) struct Panel {
    pub(crate) title: &'static str,
    pub(crate) description: &'static str,
    pub(crate) kind: Kind,
    /// Grafana's id for the unit; "none" for a state.
    pub(crate) unit: &'static str,
    /// Pairs of a PromQL expression, with `@S` for the matchers of the variables, or `@N` if it also matches series of no
    /// service, and the legend of its series.
    pub(crate) queries: &'static [(&'static str, &'static str)],
    /// The value from which the panel turns red, and the alert with the same threshold.
    pub(crate) limit: Option<(f64, &'static str)>,
    /// The value from which the panel is green; below, it is red.
    pub(crate) minimum: Option<f64>,
    /// The texts and colors for the values 0 and 1.
    pub(crate) states: Option<[(&'static str, &'static str); 2]>,
}

/// One dashboard and its panels.
#[derive(Debug)]
pub(crate) struct Dashboard {
    /// The last part of its id and of its file name.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) description: &'static str,
    pub(crate) panels: &'static [Panel],
}

const COLUMNS: u64 = 24;

/// The colors of the outcomes of deployments, migrations, probes and tests.
const OUTCOMES: [(&str, &str); 12] = [
    ("success", "green"),
    ("pass", "green"),
    ("flaky", "yellow"),
    ("failure", "red"),
    ("fail", "red"),
    ("error", "dark-red"),
    ("timeout", "orange"),
    ("cancelled", "purple"),
    ("skipped", "blue"),
    ("skip", "blue"),
    ("running", "blue"),
    ("rolled back", "orange"),
];

/// The colors of the severities of alerts.
const SEVERITIES: [(&str, &str); 4] =
    [("critical", "dark-red"), ("high", "red"), ("medium", "orange"), ("info", "blue")];

/// The runbook of an alert, at the same address as in the rules.
const RUNBOOK: &str = "https://example.com/dm/docs/runbooks/DEPLOYMENT_${__value.raw}.md";

impl Kind {
    fn plugin(self) -> &'static str {
        match self {
            Self::Stat => "stat",
            Self::Bars => "bargauge",
            Self::Lines | Self::Daily => "timeseries",
            Self::States => "state-timeline",
            Self::Heatmap => "heatmap",
            Self::Table | Self::Stages => "table",
            Self::Pie => "piechart",
        }
    }

    /// Whether the panel shows only the last value.
    pub(crate) fn is_instant(self) -> bool {
        matches!(self, Self::Stat | Self::Bars | Self::Table | Self::Stages | Self::Pie)
    }

    fn size(self) -> (u64, u64) {
        match self {
            Self::Stat => (4, 4),
            Self::Bars | Self::Pie => (8, 8),
            Self::Lines | Self::Daily | Self::Heatmap | Self::Table => (10, 8),
            Self::States => (24, 6),
            Self::Stages => (24, 10),
        }
    }

    fn options(self) -> Value {
        let last = json!({ "calcs": ["lastNotNull"], "fields": "", "values": false });
        match self {
            Self::Stat => {
                json!({ "reduceOptions": last, "colorMode": "value", "graphMode": "none", "textMode": "auto" })
            }
            Self::Bars => {
                json!({ "reduceOptions": last, "orientation": "horizontal", "displayMode": "basic", "sizing": "manual", "namePlacement": "top", "minVizHeight": 16, "maxVizHeight": 40 })
            }
            Self::Pie => {
                json!({ "reduceOptions": last, "legend": { "displayMode": "list", "placement": "right", "showLegend": true } })
            }
            Self::Lines | Self::Daily => {
                json!({ "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true }, "tooltip": { "mode": "multi" } })
            }
            Self::States => json!({ "mergeValues": true, "showValue": "auto", "rowHeight": 0.8 }),
            Self::Heatmap => {
                json!({ "calculate": false, "yAxis": { "unit": "s" }, "color": { "scheme": "Blues", "mode": "scheme" } })
            }
            Self::Table => json!({ "showHeader": true }),
            Self::Stages => {
                json!({ "showHeader": true, "sortBy": [{ "displayName": "since", "desc": false }] })
            }
        }
    }
}

fn datasource() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

/// The expression in the form that Grafana reads.
pub(crate) fn expression(query: &str) -> String {
    query
        .replace("@S", "service=~\"$service\",environment=~\"$environment\"")
        .replace("@N", "service=~\"$service|\",environment=~\"$environment|\"")
}

impl Panel {
    fn json(&self, id: usize, [x, y, w, h]: [u64; 4]) -> Value {
        let targets: Vec<Value> = self
            .queries
            .iter()
            .zip('A'..)
            .map(|((query, legend), letter)| {
                let mut target = json!({
                    "refId": letter.to_string(),
                    "datasource": datasource(),
                    "expr": expression(query),
                    "legendFormat": legend,
                    "instant": self.kind.is_instant(),
                    "range": !self.kind.is_instant(),
                    "format": match self.kind { Kind::Table | Kind::Stages => "table", Kind::Heatmap => "heatmap", _ => "time_series" },
                });
                if self.kind == Kind::Heatmap {
                    // The rules count once a minute, so that $__rate_interval must span several minutes.
                    target["interval"] = "1m".into();
                }
                target
            })
            .collect();
        let mut panel = json!({
            "id": id,
            "type": self.kind.plugin(),
            "title": self.title,
            "description": self.description,
            "datasource": datasource(),
            "gridPos": { "x": x, "y": y, "w": w, "h": h },
            "targets": targets,
            "options": self.kind.options(),
            "fieldConfig": { "defaults": self.defaults(), "overrides": self.overrides() },
        });
        if self.kind == Kind::Stat && self.queries[0].1.contains('{') {
            // Show the name of the series. By default, Grafana omits it if there is only one value.
            panel["options"]["textMode"] = "value_and_name".into();
        }
        if self.kind == Kind::Daily {
            (panel["interval"], panel["timeFrom"]) = ("1d".into(), "30d".into());
        }
        if self.kind == Kind::Table {
            panel["transformations"] = json!([
                { "id": "sortBy", "options": { "fields": {}, "sort": [{ "field": "Value", "desc": true }] } },
                { "id": "organize", "options": {
                    "excludeByName": { "Time": true, "Value": true, "__name__": true, "instance": true, "job": true, "stage": true },
                    "indexByName": { "alertname": 0, "alertstate": 1, "severity": 2, "service": 3, "environment": 4, "run": 5, "version": 6, "run_url": 7, "commit": 8 },
                } },
            ]);
        }
        if self.kind == Kind::Stages {
            panel["transformations"] = json!([
                { "id": "merge", "options": {} },
                { "id": "organize", "options": {
                    "excludeByName": { "Time": true, "__name__": true, "instance": true, "job": true, "outcome": true },
                    "indexByName": { "service": 0, "environment": 1, "stage": 2, "status": 3, "Value #A": 4, "Value #B": 5, "error_type": 6, "version": 7, "run": 8, "run_url": 9 },
                    "renameByName": { "Value #A": "since", "Value #B": "duration", "error_type": "error" },
                } },
            ]);
        }
        panel
    }

    fn defaults(&self) -> Value {
        // Values that are neither good nor bad get a neutral color.
        let below = match (self.minimum, self.limit) {
            (Some(_), _) => "red",
            (None, Some(_)) => "green",
            (None, None) if self.kind == Kind::Bars => "blue",
            (None, None) => "text",
        };
        let mut steps = vec![json!({ "color": below, "value": null })];
        steps.extend(self.limit.map(|(limit, _)| json!({ "color": "red", "value": limit })));
        steps.extend(self.minimum.map(|minimum| json!({ "color": "green", "value": minimum })));
        let mut defaults = json!({
            "unit": self.unit,
            "thresholds": { "mode": "absolute", "steps": steps },
            // Short, because Grafana shows it in the size of a number.
            "noValue": "–",
        });
        if let Some([zero, one]) = self.states {
            let state =
                |(text, color): (&str, &str), index| json!({ "text": text, "color": color, "index": index });
            defaults["mappings"] =
                json!([{ "type": "value", "options": { "0": state(zero, 0), "1": state(one, 1) } }]);
        }
        if self.unit == "currencyUSD" {
            defaults["decimals"] = 3.into();
        }
        // A pushed value stays constant until the next push, so there is no slope between two values.
        let mut line_style = json!({ "lineInterpolation": "stepAfter" });
        if self.limit.is_some() {
            line_style["thresholdsStyle"] = json!({ "mode": "line" });
        }
        match self.kind {
            Kind::Lines => (defaults["custom"], defaults["min"]) = (line_style, 0.into()),
            Kind::Daily => {
                defaults["min"] = 0.into();
                defaults["custom"] = json!({ "drawStyle": "bars", "fillOpacity": 60, "stacking": { "group": "A", "mode": "normal" } });
            }
            // Let the columns share the width; with 150 pixels each, the last ones would be cut off.
            Kind::Table | Kind::Stages => defaults["custom"] = json!({ "minWidth": 50 }),
            Kind::Bars => {
                // Otherwise the smallest value would have no visible bar.
                defaults["min"] = 0.into();
                // The bars are shares of 100 %, whatever the largest value is.
                if self.unit == "percentunit" {
                    defaults["max"] = 1.into();
                }
            }
            _ => {}
        }
        defaults
    }

    /// For a table: wide columns for long texts, and a link to the CI run. For other panels: a color for each outcome.
    fn overrides(&self) -> Value {
        let named = |name: &str, properties: Value| json!({ "matcher": { "id": "byName", "options": name }, "properties": properties });
        if matches!(self.kind, Kind::Table | Kind::Stages) {
            let run = json!([{ "title": "CI run", "url": "${__data.fields.run_url}", "targetBlank": true }]);
            let state = |(text, color): (&str, &str)| json!({ "type": "value", "options": { text: { "color": color } } });
            let states: Vec<Value> = OUTCOMES.into_iter().map(state).collect();
            let severities: Vec<Value> = SEVERITIES.into_iter().map(state).collect();
            let runbook = json!([{ "title": "Runbook", "url": RUNBOOK, "targetBlank": true }]);
            return json!([
                named(
                    "status",
                    json!([{ "id": "custom.cellOptions", "value": { "type": "color-text" } }, { "id": "mappings", "value": states }])
                ),
                named(
                    "severity",
                    json!([{ "id": "custom.cellOptions", "value": { "type": "color-text" } }, { "id": "mappings", "value": severities }])
                ),
                named(
                    "alertname",
                    json!([{ "id": "custom.width", "value": 240 }, { "id": "links", "value": runbook }])
                ),
                named(
                    "run_url",
                    json!([{ "id": "custom.width", "value": 240 }, { "id": "links", "value": run }])
                ),
            ]);
        }
        if !matches!(self.queries[0].1, "{{status}}" | "{{result}}") {
            return json!([]);
        }
        let colored = |(name, color): &(&str, &str)| {
            named(name, json!([{ "id": "color", "value": { "mode": "fixed", "fixedColor": color } }]))
        };
        OUTCOMES.iter().map(colored).collect()
    }
}

impl Dashboard {
    /// The id of the dashboard in Grafana.
    pub(crate) fn uid(&self) -> String {
        format!("dm-deployment-{}", self.name)
    }

    /// The position, width and height of each panel: the panels fill one row after the other, over the whole width.
    fn places(&self) -> Vec<[u64; 4]> {
        let (mut places, mut y, mut rest) = (Vec::new(), 0, self.panels);
        while !rest.is_empty() {
            let mut taken = 0;
            let fits = |panel: &&Panel| {
                taken += panel.kind.size().0;
                taken <= COLUMNS
            };
            let (row, next) = rest.split_at(rest.iter().take_while(fits).count());
            let free = COLUMNS - row.iter().map(|panel| panel.kind.size().0).sum::<u64>();
            let height = row.iter().map(|panel| panel.kind.size().1).max().unwrap_or_default();
            let (mut x, mut remaining) = (0, free);
            for (panel, after) in row.iter().zip((1..=row.len() as u64).rev()) {
                let extra = remaining.div_ceil(after);
                let width = panel.kind.size().0 + extra;
                places.push([x, y, width, height]);
                (x, remaining) = (x + width, remaining - extra);
            }
            (y, rest) = (y + height, next);
        }
        places
    }

    /// The content of the dashboard's JSON file.
    pub(crate) fn json(&self) -> Value {
        let placed = self.panels.iter().zip(self.places()).zip(1..);
        let panels: Vec<Value> = placed.map(|((panel, place), id)| panel.json(id, place)).collect();
        json!({
            "uid": self.uid(),
            "title": self.title,
            "description": self.description,
            "tags": ["deployment", "dm"],
            "schemaVersion": 39,
            "version": 1,
            "editable": false,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": { "from": "now-24h", "to": "now" },
            "timezone": "",
            "links": [{ "type": "dashboards", "tags": ["dm"], "title": "Deployments", "asDropdown": true, "includeVars": true, "keepTime": true }],
            "templating": { "list": variables() },
            "annotations": { "list": [
                annotation("Deployed", "green", "deployment_last_success_timestamp_seconds"),
                annotation("Deployment failed", "red", "deployment_last_failure_timestamp_seconds"),
                annotation("Rolled back", "orange", "deployment_rollback_last_timestamp_seconds"),
            ] },
            "panels": panels,
        })
    }
}

fn variables() -> Value {
    let labels = |name: &str, title: &str| {
        let query = format!("label_values(deployment_total{{job=\"dm_counters\"}}, {name})");
        json!({
            "name": name, "label": title, "type": "query", "datasource": datasource(),
            "query": { "query": query, "refId": name },
            "refresh": 2, "sort": 1, "multi": true, "includeAll": true, "allValue": ".*",
            "current": { "text": ["All"], "value": ["$__all"] },
        })
    };
    json!([
        { "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "current": {} },
        labels("service", "Service"),
        labels("environment", "Environment"),
    ])
}

/// A mark on the time axis. The value of the series is its time, in seconds.
fn annotation(name: &str, color: &str, series: &str) -> Value {
    let stage = if name == "Rolled back" { "rollback" } else { "deployment" };
    let query = expression(&format!("{series}{{job=\"dm\",stage=\"{stage}\",@S}} * 1000"));
    json!({
        "name": name, "enable": true, "iconColor": color, "datasource": datasource(),
        "target": { "refId": "marks", "expr": query, "interval": "60s" },
        "useValueForTime": "on", "titleFormat": name, "textFormat": "{{service}} in {{environment}}",
    })
}
