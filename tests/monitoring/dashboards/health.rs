//! How the service does after a deployment.

use super::content::{DATA_AGE, PANEL};
use super::panel::{Kind, Panel};

pub(super) const PANELS: &[Panel] = &[
    Panel {
        title: "Error rate",
        description: "Of the worst service and source, at the last judgement by dm-rollback. Look at the age of the data, too.",
        unit: "percent",
        queries: &[(
            "topk(1, max by (service, environment) (post_deployment_error_rate{job=\"dm\",@S}))",
            "{{service}} {{environment}}",
        )],
        limit: Some((5.0, "PostDeployErrorRateHigh")),
        ..PANEL
    },
    Panel {
        title: "p95 latency",
        description: "Of the slowest service, and of the successful probes of its last watch.",
        unit: "ms",
        queries: &[(
            "topk(1, max by (service, environment) (api_health_check_latency_ms{job=\"dm\",quantile=\"0.95\",@S}))",
            "{{service}} {{environment}}",
        )],
        limit: Some((1000.0, "PostDeployLatencyHigh")),
        ..PANEL
    },
    Panel {
        title: "Smoke tests failed, 1 h",
        description: "Tests with the result fail or error; flaky ones passed in the end.",
        unit: "short",
        queries: &[(
            "sum(round(increase(smoke_test_total{job=\"dm_counters\",result=~\"fail|error\",@S}[1h])))",
            "failed",
        )],
        limit: Some((5.5, "SmokeTestsFailing")),
        ..PANEL
    },
    Panel {
        title: "Failed probes, 5 min",
        description: "Among them those that wait for a service to come up.",
        unit: "short",
        queries: &[(
            "sum(round(increase(api_health_check_total{job=\"dm_counters\",result=\"failure\",@S}[5m])))",
            "failed",
        )],
        limit: Some((4.5, "HealthCheckFailuresPostDeploy")),
        ..PANEL
    },
    Panel {
        title: "Since the last rollback",
        description: "–: there never was one.",
        unit: "s",
        queries: &[("time() - max(deployment_rollback_last_timestamp_seconds{job=\"dm\",@S})", "ago")],
        ..PANEL
    },
    DATA_AGE,
    Panel {
        title: "Error rate over time",
        description: "By source: what probes see, and what users see, where a source tells. For 5 minutes from each judgement.",
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
        description: "p95 of the successful probes of each watch, for 5 minutes from its end.",
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
        description: "How many probes the health checks made.",
        kind: Kind::Lines,
        unit: "short",
        queries: &[(
            "sum by (result) (increase(api_health_check_total{job=\"dm_counters\",@S}[1h]))",
            "{{result}}",
        )],
        ..PANEL
    },
    Panel {
        title: "Smoke tests by result, per hour",
        description: "By final result.",
        kind: Kind::Lines,
        unit: "short",
        queries: &[(
            "sum by (result) (increase(smoke_test_total{job=\"dm_counters\",@S}[1h]))",
            "{{result}}",
        )],
        ..PANEL
    },
    Panel {
        title: "Requests seen after deployments, 24 h",
        description: "What the verdicts rest on, by source.",
        kind: Kind::Bars,
        unit: "short",
        queries: &[
            (
                "sum by (source) (round(increase(post_deployment_requests_total{job=\"dm_counters\",@S}[1d])))",
                "{{source}}: all",
            ),
            (
                "sum by (source) (round(increase(post_deployment_request_errors_total{job=\"dm_counters\",@S}[1d])))",
                "{{source}}: failed",
            ),
        ],
        ..PANEL
    },
    Panel {
        title: "Rollbacks, 7 d",
        description: "By what made them wanted, and what came of them.",
        kind: Kind::Bars,
        unit: "short",
        queries: &[(
            "sum by (reason, result) (round(increase(deployment_rollback_total{job=\"dm_counters\",@S}[7d]))) > 0",
            "{{reason}}: {{result}}",
        )],
        ..PANEL
    },
];
