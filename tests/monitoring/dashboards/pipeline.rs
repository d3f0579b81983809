//! What is deployed now, what came of the last deployment, and where the time goes.

use super::content::{DATA_AGE, PANEL};
use super::panel::{Kind, Panel};

pub(super) const PANELS: &[Panel] = &[
    Panel {
        title: "Last deployment",
        description: "Whether the newest deployment of any of these services failed, and none has succeeded since.",
        queries: &[("max(service_environment:deployment_broken:bool{@S})", "any")],
        states: Some([("ok", "green"), ("failed", "red")]),
        ..PANEL
    },
    Panel {
        title: "In progress",
        description: "Deployments that run now. One whose heartbeat is older than 2 minutes is not counted: its runner is dead.",
        unit: "short",
        queries: &[(
            "sum(deployment_in_progress{job=\"dm_run\",@S} and on (service, environment, run) time() - push_time_seconds{job=\"dm_run\",@S} < 120) or vector(0)",
            "runs",
        )],
        ..PANEL
    },
    Panel {
        title: "Running for",
        description: "The longest run in progress. Behind schedule from 10 minutes on.",
        unit: "s",
        queries: &[("max(time() - deployment_start_timestamp_seconds{job=\"dm_run\",@S})", "running")],
        limit: Some((600.0, "DeploymentSlightlyBehindSchedule")),
        ..PANEL
    },
    Panel {
        title: "Deployments, 24 h",
        description: "Finished deployments; those that were cancelled or skipped are none.",
        unit: "short",
        queries: &[(
            "sum(round(increase(deployment_total{job=\"dm_counters\",stage=\"deployment\",status=~\"success|failure|error|timeout\",@S}[1d])))",
            "deployments",
        )],
        ..PANEL
    },
    Panel {
        title: "p95 time to deploy, 24 h",
        description: "Interpolated within a bucket; the alert asks for the share over 12 minutes, which is exact.",
        unit: "s",
        queries: &[(
            "histogram_quantile(0.95, sum by (le) (increase(time_to_deploy_seconds_bucket{job=\"dm_counters\",@S}[1d])))",
            "p95",
        )],
        limit: Some((720.0, "TimeToDeployP95High")),
        ..PANEL
    },
    DATA_AGE,
    Panel {
        title: "Outcome over time",
        description: "From a deployment that failed to the next one that succeeds.",
        kind: Kind::States,
        queries: &[("service_environment:deployment_broken:bool{@S}", "{{service}} {{environment}}")],
        states: Some([("ok", "green"), ("failed", "red")]),
        ..PANEL
    },
    Panel {
        title: "Runs over time",
        description: "When deployments were in progress.",
        kind: Kind::States,
        queries: &[(
            "max by (service, environment) (deployment_in_progress{job=\"dm_run\",@S})",
            "{{service}} {{environment}}",
        )],
        states: Some([("idle", "green"), ("running", "blue")]),
        ..PANEL
    },
    Panel {
        title: "Duration of each stage",
        description: "Wall time of the last run of each stage, in the order of the names.",
        kind: Kind::Lines,
        unit: "s",
        queries: &[("max by (stage) (deployment_stage_duration_seconds{job=\"dm\",@S})", "{{stage}}")],
        ..PANEL
    },
    Panel {
        title: "Time to deploy",
        description: "How many deployments took how long; the buckets are those of the histogram.",
        kind: Kind::Heatmap,
        unit: "s",
        queries: &[(
            "sum by (le) (increase(time_to_deploy_seconds_bucket{job=\"dm_counters\",@S}[$__rate_interval]))",
            "{{le}}",
        )],
        ..PANEL
    },
    Panel {
        title: "Last build",
        description: "Wall time of the last build. Slow from 2 minutes on.",
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
        description: "Why stages failed; those that were told to stop did not. The deployment around them fails with them and is not counted again.",
        kind: Kind::Bars,
        unit: "short",
        queries: &[(
            "sum by (stage, error_type) (round(increase(deployment_errors_total{job=\"dm_counters\",stage!=\"deployment\",error_type!=\"cancelled\",@S}[1d]))) > 0",
            "{{stage}}: {{error_type}}",
        )],
        ..PANEL
    },
    Panel {
        title: "Alerts",
        description: "What fires or is about to.",
        kind: Kind::Table,
        queries: &[(
            "max by (alertname, alertstate, severity, service, environment) (ALERTS{alertname!=\"DeploymentWatchdog\",@S})",
            "",
        )],
        ..PANEL
    },
    Panel {
        title: "What is live",
        description: "The release that was last deployed with success, and its CI run.",
        kind: Kind::Table,
        queries: &[(
            "max by (service, environment, version, commit, run_url) (deployment_info{job=\"dm\",stage=\"deployment\",@S})",
            "",
        )],
        ..PANEL
    },
    Panel {
        title: "What failed last",
        description: "The deployment that failed last, whether or not one has succeeded since, and its CI run.",
        kind: Kind::Table,
        queries: &[(
            "max by (service, environment, version, commit, run_url) (deployment_failure_info{job=\"dm\",stage=\"deployment\",@S})",
            "",
        )],
        ..PANEL
    },
    Panel {
        title: "What is being deployed",
        description: "The runs in progress, and their CI runs.",
        kind: Kind::Table,
        queries: &[(
            "max by (service, environment, run, version, run_url) (deployment_info{job=\"dm_run\",@S})",
            "",
        )],
        ..PANEL
    },
];
