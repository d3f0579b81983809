//! The dashboard for the cost of deployments.

use super::content::{DATA_AGE, PANEL};
use super::panel::{Kind, Panel};

pub(super) const PANELS: &[Panel] = &[
    Panel {
        title: "Runner time, 7 d",
        description: "Wall time of whole deployments, whatever their result.",
        unit: "s",
        queries: &[("sum(service_environment:time_to_deploy_seconds_sum:increase7d{@S})", "time")],
        ..PANEL
    },
    Panel {
        title: "Cost, 7 d",
        description: "Cost of whole deployments. Stages are part of a deployment and are not added.",
        unit: "currencyUSD",
        queries: &[(
            "sum(service_environment:deployment_cost_dollars_total:increase7d{stage=\"deployment\",@S})",
            "cost",
        )],
        ..PANEL
    },
    Panel {
        title: "Cost of a deployment",
        description: "The total cost of 7 days divided by the number of successful deployments, so it includes the cost of failed ones.",
        unit: "currencyUSD",
        queries: &[(
            "sum(service_environment:deployment_cost_dollars_total:increase7d{stage=\"deployment\",@S}) / (sum(service_environment:deployment_total:increase7d{status=\"success\",@S}) > 0)",
            "each",
        )],
        ..PANEL
    },
    Panel {
        title: "Mean time of a deployment, 7 d",
        description: "Mean wall time of whole deployments, whatever their result.",
        unit: "s",
        queries: &[(
            "sum(service_environment:time_to_deploy_seconds_sum:increase7d{@S}) / (sum(service_environment:time_to_deploy_seconds_count:increase7d{@S}) > 0)",
            "mean",
        )],
        ..PANEL
    },
    DATA_AGE,
    Panel {
        title: "Cost by stage, 7 d",
        description: "The cost of each stage. Stages that run in parallel share a machine, so their sum can exceed the cost of the deployment.",
        kind: Kind::Pie,
        unit: "currencyUSD",
        queries: &[(
            "sum by (stage) (service_environment:deployment_cost_dollars_total:increase7d{stage!=\"deployment\",@S})",
            "{{stage}}",
        )],
        ..PANEL
    },
    Panel {
        title: "Cost per day",
        description: "Cost of whole deployments, by service.",
        kind: Kind::Daily,
        unit: "currencyUSD",
        queries: &[(
            "sum by (service) (service_environment:deployment_cost_dollars_total:increase1d{stage=\"deployment\",@S})",
            "{{service}}",
        )],
        ..PANEL
    },
    Panel {
        title: "CPU time of the last run",
        description: "By stage. If the CPU time is far below the wall time, the stage mostly waits.",
        kind: Kind::Bars,
        unit: "s",
        queries: &[("max by (stage) (deployment_stage_cpu_seconds{job=\"dm\",@S})", "{{stage}}")],
        ..PANEL
    },
    Panel {
        title: "Peak memory of the last run",
        description: "By stage, for its largest process. It shows how small a runner can be.",
        kind: Kind::Bars,
        unit: "bytes",
        queries: &[("max by (stage) (deployment_stage_max_rss_bytes{job=\"dm\",@S})", "{{stage}}")],
        ..PANEL
    },
];
