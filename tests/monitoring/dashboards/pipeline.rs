//! The dashboard for the deployments in progress, the result of the last deployment, and where the time goes.

use super::content::{DATA_AGE, PANEL};
use super::panel::{Kind, Panel};

/// The firing and pending alerts that match, without what tells apart the rules and the servers they come from.
macro_rules! alerts {
    ($matchers:literal) => {
        concat!(
            "max by (alertname, alertstate, severity, service, environment) ",
            "(ALERTS{alertname!=\"DeploymentWatchdog\",",
            $matchers,
            ",@N})"
        )
    };
}

/// The same, of any severity; the values are larger the more severe an alert is.
macro_rules! ranked_alerts {
    () => {
        concat!(
            "(",
            alerts!("severity=\"critical\""),
            " * 4 or ",
            alerts!("severity=\"high\""),
            " * 3 or ",
            alerts!("severity=\"medium\""),
            " * 2 or ",
            alerts!("severity!~\"critical|high|medium\""),
            ")"
        )
    };
}

pub(super) const PANELS: &[Panel] = &[
    Panel {
        title: "Stages of the current or last deployment",
        description: "For each service and environment: how each stage ended or that it runs, how long ago it ended or began, its duration, error class, version and CI run. If several stages of a service run at once, the one that began last is shown as running.",
        kind: Kind::Stages,
        unit: "s",
        queries: &[
            (
                "time() - label_replace(label_join((deployment_stage_end_timestamp_seconds{job=\"dm\",@S} and on (service, environment, run) topk by (service, environment) (1, deployment_stage_end_timestamp_seconds{job=\"dm\",@S})), \"outcome\", \":\", \"stage\", \"status\"), \"status\", \"rolled back\", \"outcome\", \"rollback:success\") or time() - label_replace((deployment_stage_start_timestamp_seconds{job=\"dm_stage\",@S} > on (service, environment, stage) deployment_stage_end_timestamp_seconds{job=\"dm\",@S} or deployment_stage_start_timestamp_seconds{job=\"dm_stage\",@S} unless on (service, environment, stage) deployment_stage_end_timestamp_seconds{job=\"dm\",@S}) and on (service, environment, run) (time() - push_time_seconds{job=\"dm_run\",@S} < 120), \"status\", \"running\", \"\", \"\")",
                "since",
            ),
            (
                "max by (service, environment, stage) (deployment_stage_duration_seconds{job=\"dm\",@S}) * on (service, environment, stage) group_right () (label_replace(label_join((deployment_stage_end_timestamp_seconds{job=\"dm\",@S} and on (service, environment, run) topk by (service, environment) (1, deployment_stage_end_timestamp_seconds{job=\"dm\",@S})), \"outcome\", \":\", \"stage\", \"status\"), \"status\", \"rolled back\", \"outcome\", \"rollback:success\") > bool 0)",
                "duration",
            ),
        ],
        ..PANEL
    },
    Panel {
        title: "Last deployment",
        description: "Whether the last finished deployment of any of these services failed, and none has succeeded since.",
        queries: &[("max(service_environment:deployment_broken:bool{@S})", "any")],
        states: Some([("ok", "green"), ("failed", "red")]),
        ..PANEL
    },
    Panel {
        title: "In progress",
        description: "Deployments that are running now. If the last heartbeat is more than 2 minutes old, the runner is dead and the deployment is not counted.",
        unit: "short",
        queries: &[(
            "sum(deployment_in_progress{job=\"dm_run\",@S} and on (service, environment, run) time() - push_time_seconds{job=\"dm_run\",@S} < 120) or vector(0)",
            "runs",
        )],
        ..PANEL
    },
    Panel {
        title: "Running for",
        description: "The longest run in progress. Above 10 minutes it is behind schedule. A run without a heartbeat for 2 minutes is dead and does not count.",
        unit: "s",
        queries: &[(
            "max(time() - deployment_start_timestamp_seconds{job=\"dm_run\",@S} and on (service, environment, run) time() - push_time_seconds{job=\"dm_run\",@S} < 120)",
            "running",
        )],
        limit: Some((600.0, "DeploymentSlightlyBehindSchedule")),
        ..PANEL
    },
    Panel {
        title: "Deployments, 24 h",
        description: "Finished deployments. Cancelled and skipped ones do not count.",
        unit: "short",
        queries: &[("sum(slo:events:increase1d{slo=\"deployment_success\",@S})", "deployments")],
        ..PANEL
    },
    Panel {
        title: "p95 time to deploy, 24 h",
        description: "Interpolated within a histogram bucket. The alert uses the share of deployments above 12 minutes, which is exact.",
        unit: "s",
        queries: &[(
            "histogram_quantile(0.95, sum by (le) (service_environment:time_to_deploy_seconds_bucket:increase1d{@S}))",
            "p95",
        )],
        limit: Some((720.0, "TimeToDeployP95High")),
        ..PANEL
    },
    DATA_AGE,
    Panel {
        title: "Outcome over time",
        description: "Red from a failed deployment to the next successful one.",
        kind: Kind::States,
        queries: &[("service_environment:deployment_broken:bool{@S}", "{{service}} {{environment}}")],
        states: Some([("ok", "green"), ("failed", "red")]),
        ..PANEL
    },
    Panel {
        title: "Runs over time",
        description: "The times at which deployments were in progress, by their heartbeats.",
        kind: Kind::States,
        queries: &[(
            "max by (service, environment) (deployment_in_progress{job=\"dm_run\",@S} and on (service, environment, run) time() - push_time_seconds{job=\"dm_run\",@S} < 120)",
            "{{service}} {{environment}}",
        )],
        states: Some([("idle", "green"), ("running", "blue")]),
        ..PANEL
    },
    Panel {
        title: "Duration of each stage",
        description: "Wall time of the last run of each stage, in alphabetical order.",
        kind: Kind::Lines,
        unit: "s",
        queries: &[("max by (stage) (deployment_stage_duration_seconds{job=\"dm\",@S})", "{{stage}}")],
        ..PANEL
    },
    Panel {
        title: "Time to deploy",
        description: "The distribution of deployment durations, in the buckets of the histogram.",
        kind: Kind::Heatmap,
        unit: "s",
        queries: &[(
            concat!(
                "sum by (le) (",
                increase!("service_environment:time_to_deploy_seconds_bucket:sum", "@S", "$__rate_interval"),
                ")"
            ),
            "{{le}}",
        )],
        ..PANEL
    },
    Panel {
        title: "Last build",
        description: "Wall time of the last build. Above 2 minutes it is slow.",
        kind: Kind::Bars,
        unit: "s",
        queries: &[(
            "max by (service) (deployment_stage_duration_seconds{job=\"dm\",stage=\"build\",@S})",
            "{{service}}",
        )],
        limit: Some((120.0, "BuildSlow")),
        ..PANEL
    },
    Panel {
        title: "Failures by class, 24 h",
        description: "The reasons why stages failed. Cancelled stages do not count. The deployment fails together with its stage and is not counted again.",
        kind: Kind::Bars,
        unit: "short",
        queries: &[(
            "sum by (stage, error_type) (service_environment:deployment_errors_total:increase1d{stage!=\"deployment\",error_type!=\"cancelled\",@S}) > 0",
            "{{stage}}: {{error_type}}",
        )],
        ..PANEL
    },
    Panel {
        title: "Alerts",
        description: "The firing and pending alerts, the most severe first; also those of no service, such as PushgatewayDown. The name links to the runbook; the run is that of the last failed deployment.",
        kind: Kind::Table,
        queries: &[(
            concat!(
                ranked_alerts!(),
                " * on (service, environment) group_left (version, run_url) ",
                "topk by (service, environment) (1, max by (service, environment, version, run_url) ",
                "(deployment_failure_info{job=\"dm\",stage=\"deployment\",@S}))",
                " or on (alertname, alertstate, severity, service, environment) ",
                ranked_alerts!()
            ),
            "",
        )],
        ..PANEL
    },
    Panel {
        title: "What is live",
        description: "The release that was put live last, by a deployment, its stage deploy or a verified rollback, and the CI run. unknown: the rollback command did not say what it restored.",
        kind: Kind::Table,
        queries: &[(
            "max by (service, environment, version, commit, run_url) (deployment_info{job=\"dm\",stage=~\"deployment|deploy|rollback\",@S} * on (service, environment, stage) group_left () deployment_last_success_timestamp_seconds{job=\"dm\",@S} == on (service, environment) group_left () max by (service, environment) (deployment_last_success_timestamp_seconds{job=\"dm\",stage=~\"deployment|deploy|rollback\",@S}))",
            "",
        )],
        ..PANEL
    },
    Panel {
        title: "What failed last",
        description: "The last failed deployment, whether or not one has succeeded since, and its CI run.",
        kind: Kind::Table,
        queries: &[(
            "max by (service, environment, version, commit, run_url) (deployment_failure_info{job=\"dm\",stage=\"deployment\",@S})",
            "",
        )],
        ..PANEL
    },
    Panel {
        title: "What is being deployed",
        description: "The deployments in progress whose heartbeat is less than 2 minutes old, and their CI runs.",
        kind: Kind::Table,
        queries: &[(
            "max by (service, environment, run, version, run_url) (deployment_info{job=\"dm_run\",@S} and on (service, environment, run) time() - push_time_seconds{job=\"dm_run\",@S} < 120)",
            "",
        )],
        ..PANEL
    },
];
