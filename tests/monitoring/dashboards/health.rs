//! The dashboard for the health of the service after a deployment.

use super::content::{DATA_AGE, PANEL};
use super::panel::{Kind, Panel};

pub(super) const PANELS: &[Panel] = &[
    Panel {
        title: "Error rate",
        description: "The error rate at the last evaluation by dm-rollback, for the service and source with the highest rate. –: no evaluation in the last 5 minutes, or the version was rolled back and verified.",
        unit: "percent",
        queries: &[(
            "topk(1, max by (service, environment) (post_deployment_error_rate{job=\"dm\",@S} and on (service, environment, stage) time() - post_deployment_evaluation_timestamp_seconds{job=\"dm\",@S} < 300) unless on (service, environment) max by (service, environment) (deployment_last_success_timestamp_seconds{job=\"dm\",stage=\"rollback\",@S}) >= on (service, environment) max by (service, environment) (post_deployment_evaluation_timestamp_seconds{job=\"dm\",@S}))",
            "{{service}} {{environment}}",
        )],
        limit: Some((5.0, "PostDeployErrorRateHigh")),
        ..PANEL
    },
    Panel {
        title: "p95 latency",
        description: "The 95th percentile for the slowest service, from the successful probes of its last watch. –: no watch in the last 5 minutes.",
        unit: "ms",
        queries: &[(
            "topk(1, max by (service, environment) (api_health_check_latency_ms{job=\"dm\",quantile=\"0.95\",@S} and on (service, environment, stage) time() - push_time_seconds{job=\"dm\",@S} < 300))",
            "{{service}} {{environment}}",
        )],
        limit: Some((1000.0, "PostDeployLatencyHigh")),
        ..PANEL
    },
    Panel {
        title: "Smoke tests failed, 1 h",
        description: "Tests with the result fail or error. Flaky tests passed in the end and do not count.",
        unit: "short",
        queries: &[(
            "sum(service_environment:smoke_test_total:increase1h{result=~\"fail|error\",@S})",
            "failed",
        )],
        limit: Some((5.5, "SmokeTestsFailing")),
        ..PANEL
    },
    Panel {
        title: "Failed probes, 5 min",
        description: "Includes probes that failed while a service was still starting.",
        unit: "short",
        queries: &[(
            "sum(service_environment:api_health_check_total:increase5m{result=\"failure\",@S})",
            "failed",
        )],
        limit: Some((4.5, "HealthCheckFailuresPostDeploy")),
        ..PANEL
    },
    Panel {
        title: "Since the last rollback",
        description: "Time since the last rollback. –: there has never been one.",
        unit: "s",
        queries: &[("time() - max(deployment_rollback_last_timestamp_seconds{job=\"dm\",@S})", "ago")],
        ..PANEL
    },
    DATA_AGE,
    Panel {
        title: "Error rate over time",
        description: "By source: the errors that probes see and, if a source measures them, the errors that users see. Shown for 5 minutes after each evaluation.",
        kind: Kind::Lines,
        unit: "percent",
        queries: &[(
            "max by (service, source) (post_deployment_error_rate{job=\"dm\",@S} and on (service, environment, stage) time() - push_time_seconds{job=\"dm\",@S} < 300)",
            "{{service}} {{source}}",
        )],
        limit: Some((5.0, "PostDeployErrorRateHigh")),
        ..PANEL
    },
    Panel {
        title: "Latency over time",
        description: "The 95th percentile of the successful probes of each watch, shown for 5 minutes after the watch ends.",
        kind: Kind::Lines,
        unit: "ms",
        queries: &[(
            "max by (service, environment) (api_health_check_latency_ms{job=\"dm\",quantile=\"0.95\",@S} and on (service, environment, stage) time() - push_time_seconds{job=\"dm\",@S} < 300)",
            "{{service}} {{environment}}",
        )],
        limit: Some((1000.0, "PostDeployLatencyHigh")),
        ..PANEL
    },
    Panel {
        title: "Probes by result, per hour",
        description: "The number of probes that the health checks made.",
        kind: Kind::Lines,
        unit: "short",
        queries: &[(
            "sum by (result) (service_environment:api_health_check_total:increase1h{@S})",
            "{{result}}",
        )],
        ..PANEL
    },
    Panel {
        title: "Smoke tests by result, per hour",
        description: "The number of smoke tests, by final result.",
        kind: Kind::Lines,
        unit: "short",
        queries: &[("sum by (result) (service_environment:smoke_test_total:increase1h{@S})", "{{result}}")],
        ..PANEL
    },
    Panel {
        title: "Requests after deployments, 24 h",
        description: "The requests on which dm-rollback based its verdicts, by source.",
        kind: Kind::Bars,
        unit: "short",
        queries: &[
            (
                "sum by (source) (service_environment:post_deployment_requests_total:increase1d{@S})",
                "{{source}}: all",
            ),
            (
                "sum by (source) (service_environment:post_deployment_request_errors_total:increase1d{@S})",
                "{{source}}: failed",
            ),
        ],
        ..PANEL
    },
    Panel {
        title: "Rollbacks, 7 d",
        description: "By the reason for the rollback, and its result.",
        kind: Kind::Bars,
        unit: "short",
        queries: &[(
            "sum by (reason, result) (service_environment:deployment_rollback_total:increase7d{@S}) > 0",
            "{{reason}}: {{result}}",
        )],
        ..PANEL
    },
];
