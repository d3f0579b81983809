//! What deployments cost.

use super::content::{DATA_AGE, PANEL};
use super::panel::{Kind, Panel};

pub(super) const PANELS: &[Panel] = &[
    Panel {
        title: "Runner time, 7 d",
        description: "Wall time of whole deployments, whatever came of them.",
        unit: "s",
        queries: &[("sum(increase(time_to_deploy_seconds_sum{job=\"dm_counters\",@S}[7d]))", "time")],
        ..PANEL
    },
    Panel {
        title: "Cost, 7 d",
        description: "Of whole deployments. The stages are within them, and not added.",
        unit: "currencyUSD",
        queries: &[(
            "sum(increase(deployment_cost_dollars_total{job=\"dm_counters\",stage=\"deployment\",@S}[7d]))",
            "cost",
        )],
        ..PANEL
    },
    Panel {
        title: "Cost of a deployment",
        description: "All cost of 7 days by the deployments that succeeded: the failed ones are paid for as well.",
        unit: "currencyUSD",
        queries: &[(
            "sum(increase(deployment_cost_dollars_total{job=\"dm_counters\",stage=\"deployment\",@S}[7d])) / (sum(increase(deployment_total{job=\"dm_counters\",stage=\"deployment\",status=\"success\",@S}[7d])) > 0)",
            "each",
        )],
        ..PANEL
    },
    Panel {
        title: "Mean time of a deployment, 7 d",
        description: "Wall time.",
        unit: "s",
        queries: &[(
            "sum(increase(time_to_deploy_seconds_sum{job=\"dm_counters\",@S}[7d])) / (sum(increase(time_to_deploy_seconds_count{job=\"dm_counters\",@S}[7d])) > 0)",
            "mean",
        )],
        ..PANEL
    },
    DATA_AGE,
    Panel {
        title: "Cost by stage, 7 d",
        description: "Where it goes. Stages that run side by side share a machine, and together cost more than the deployment.",
        kind: Kind::Pie,
        unit: "currencyUSD",
        queries: &[(
            "sum by (stage) (increase(deployment_cost_dollars_total{job=\"dm_counters\",stage!=\"deployment\",@S}[7d]))",
            "{{stage}}",
        )],
        ..PANEL
    },
    Panel {
        title: "Cost per day",
        description: "By service.",
        kind: Kind::Daily,
        unit: "currencyUSD",
        queries: &[(
            "sum by (service) (increase(deployment_cost_dollars_total{job=\"dm_counters\",stage=\"deployment\",@S}[1d]))",
            "{{service}}",
        )],
        ..PANEL
    },
    Panel {
        title: "CPU time of the last run",
        description: "By stage: far below its wall time, a stage waits.",
        kind: Kind::Bars,
        unit: "s",
        queries: &[("max by (stage) (deployment_stage_cpu_seconds{job=\"dm\",@S})", "{{stage}}")],
        ..PANEL
    },
    Panel {
        title: "Peak memory of the last run",
        description: "By stage, of its largest process: how small a runner may be.",
        kind: Kind::Bars,
        unit: "bytes",
        queries: &[("max by (stage) (deployment_stage_max_rss_bytes{job=\"dm\",@S})", "{{stage}}")],
        ..PANEL
    },
];
