//! The dashboard for the objectives and the four DORA metrics.

use super::content::{DATA_AGE, PANEL};
use super::panel::{Kind, Panel};

pub(super) const PANELS: &[Panel] = &[
    Panel {
        title: "Success rate, 30 d",
        description: "The share of finished deployments that succeeded. The objective is 99.5 %.",
        unit: "percentunit",
        queries: &[(
            "1 - sum(slo:bad_events:increase30d{slo=\"deployment_success\",@S}) / (sum(slo:events:increase30d{slo=\"deployment_success\",@S}) > 0)",
            "success",
        )],
        minimum: Some(0.995),
        ..PANEL
    },
    Panel {
        title: "Failures left, 30 d",
        description: "The number of deployments that may still fail within the objective. Below 0, the objective is missed.",
        unit: "short",
        queries: &[("sum(slo:error_budget_remaining:events30d{slo=\"deployment_success\",@S})", "left")],
        minimum: Some(0.0),
        ..PANEL
    },
    Panel {
        title: "Deployments a day, 7 d",
        description: "DORA: deployment frequency. Counts successful deployments.",
        unit: "short",
        queries: &[("sum(service_environment:deployment_frequency:per_day7d{@S})", "a day")],
        ..PANEL
    },
    Panel {
        title: "Change failure rate, 7 d",
        description: "DORA: the share of all deployments that failed, over all services, as in the success rate. A deployment that rolls back has failed, and counts once.",
        unit: "percentunit",
        queries: &[(
            "sum(service_environment:deployment_total:increase7d{status=~\"failure|error|timeout\",@S}) / (sum(service_environment:deployment_total:increase7d{status=~\"success|failure|error|timeout\",@S}) > 0)",
            "failed",
        )],
        ..PANEL
    },
    Panel {
        title: "Median lead time, 7 d",
        description: "DORA: the time from a commit to the end of its deployment. Needs DM_COMMIT_TIME.",
        unit: "s",
        queries: &[("max(service_environment:deployment_lead_time_seconds:p50_7d{@S})", "lead time")],
        ..PANEL
    },
    Panel {
        title: "Mean time to restore, 30 d",
        description: "DORA: the time from the start of a failed deployment to a verified rollback or a successful deployment.",
        unit: "s",
        queries: &[(
            "max(service_environment:deployment_time_to_restore_seconds:mean30d{@S})",
            "restored in",
        )],
        ..PANEL
    },
    Panel {
        title: "Error budgets left",
        description: "1: nothing is used up. 0: everything is used up. Below 0: the objective is missed. Migrations have no budget, so their value is 1 or 0.",
        kind: Kind::Bars,
        unit: "percentunit",
        queries: &[("min by (slo) (slo:error_budget_remaining:ratio30d{@S})", "{{slo}}")],
        minimum: Some(0.001),
        ..PANEL
    },
    Panel {
        title: "Bad events, 30 d",
        description: "The number of events that used up the error budgets.",
        kind: Kind::Bars,
        unit: "short",
        queries: &[("sum by (slo) (slo:bad_events:increase30d{@S})", "{{slo}}")],
        ..PANEL
    },
    Panel {
        title: "Burn rate, 6 h",
        description: "How many times faster than allowed a budget is used up. Above 6, with 3 bad events or more, the person on call is paged.",
        kind: Kind::Lines,
        unit: "short",
        queries: &[("max by (slo) (slo:burn_rate:ratio6h{@S})", "{{slo}}")],
        limit: Some((6.0, "DeploymentSLOBurnFast")),
        ..PANEL
    },
    Panel {
        title: "Burn rate, 3 d",
        description: "How many times faster than allowed a budget is used up. Above 1, with 5 bad events or more, the objective will be missed.",
        kind: Kind::Lines,
        unit: "short",
        queries: &[("max by (slo) (slo:burn_rate:ratio3d{@S})", "{{slo}}")],
        limit: Some((1.0, "DeploymentSLOBurnSlow")),
        ..PANEL
    },
    DATA_AGE,
    Panel {
        title: "Deployments per day, by outcome",
        description: "All six outcomes. Cancelled and skipped deployments are neither good nor bad.",
        kind: Kind::Daily,
        unit: "short",
        queries: &[("sum by (status) (service_environment:deployment_total:increase1d{@S})", "{{status}}")],
        ..PANEL
    },
    Panel {
        title: "Deployments against the usual number",
        description: "The last 24 hours, and the mean of the same weekday in the last 3 weeks, once 3 weeks of data exist.",
        kind: Kind::Lines,
        unit: "short",
        queries: &[
            ("service_environment:deployments:increase1d{@S}", "{{service}} {{environment}}"),
            ("service_environment:deployments:baseline1d{@S}", "{{service}} {{environment}}, usual"),
        ],
        ..PANEL
    },
];
