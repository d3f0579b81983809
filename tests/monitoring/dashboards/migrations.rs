//! Migrations.

use super::content::{DATA_AGE, PANEL};
use super::panel::{Kind, Panel};

pub(super) const PANELS: &[Panel] = &[
    Panel {
        title: "In progress",
        description: "Migration commands that run now. One whose heartbeat is older than 2 minutes is not counted: its runner is dead.",
        unit: "short",
        queries: &[(
            "sum(database_migration_in_progress{job=\"dm_run\",@S} and on (service, environment, run) time() - push_time_seconds{job=\"dm_run\",@S} < 120) or vector(0)",
            "migrations",
        )],
        ..PANEL
    },
    Panel {
        title: "Running for",
        description: "The longest of them. –: none runs. Slow from 2 minutes on.",
        unit: "s",
        queries: &[(
            "max(time() - database_migration_start_timestamp_seconds{job=\"dm_run\",@S} and on (service, environment, run) time() - push_time_seconds{job=\"dm_run\",@S} < 120)",
            "running",
        )],
        limit: Some((120.0, "DatabaseMigrationSlow")),
        ..PANEL
    },
    Panel {
        title: "Last migration",
        description: "How long the last migration command took, successful or not; of the slowest service. Slow from 2 minutes on.",
        unit: "s",
        queries: &[(
            "topk(1, max by (service, environment) (database_migration_lag_seconds{job=\"dm\",@S}))",
            "{{service}} {{environment}}",
        )],
        limit: Some((120.0, "DatabaseMigrationSlow")),
        ..PANEL
    },
    Panel {
        title: "Waited for locks",
        description: "Of its time, what the last migration waited for locks. –: dm-migrate did not see its sessions.",
        unit: "s",
        queries: &[(
            "topk(1, max by (service, environment) (database_migration_lock_wait_seconds{job=\"dm\",@S} >= 0))",
            "{{service}} {{environment}}",
        )],
        ..PANEL
    },
    Panel {
        title: "Sessions held up",
        description: "The most sessions that waited behind the last migration at once: what users felt of it.",
        unit: "short",
        queries: &[(
            "topk(1, max by (service, environment) (database_migration_blocked_sessions{job=\"dm\",@S} >= 0))",
            "{{service}} {{environment}}",
        )],
        ..PANEL
    },
    DATA_AGE,
    Panel {
        title: "Migrations, 30 d",
        description: "That were carried out.",
        unit: "short",
        queries: &[("sum(round(slo:events:increase30d{slo=\"migrations\",@S}))", "migrations")],
        ..PANEL
    },
    Panel {
        title: "Failed, 30 d",
        description: "The objective is that none does.",
        unit: "short",
        queries: &[("sum(round(slo:bad_events:increase30d{slo=\"migrations\",@S}))", "failed")],
        ..PANEL
    },
    Panel {
        title: "Objective of 100 %",
        description: "Met, until a migration fails.",
        queries: &[("min(slo:error_budget_remaining:ratio30d{slo=\"migrations\",@S})", "objective")],
        states: Some([("missed", "red"), ("met", "green")]),
        ..PANEL
    },
    Panel {
        title: "Since the last migration",
        description: "That went well.",
        unit: "s",
        queries: &[(
            "time() - max(deployment_last_success_timestamp_seconds{job=\"dm\",stage=\"migration\",@S})",
            "ago",
        )],
        ..PANEL
    },
    Panel {
        title: "Duration over time",
        description: "Of the last migration command, by outcome.",
        kind: Kind::Lines,
        unit: "s",
        queries: &[(
            "max by (service, status) (database_migration_lag_seconds{job=\"dm\",@S})",
            "{{service}} {{status}}",
        )],
        limit: Some((120.0, "DatabaseMigrationSlow")),
        ..PANEL
    },
    Panel {
        title: "Lock waits over time",
        description: "What each migration waited for locks.",
        kind: Kind::Lines,
        unit: "s",
        queries: &[(
            "max by (service) (database_migration_lock_wait_seconds{job=\"dm\",@S} >= 0)",
            "{{service}}",
        )],
        ..PANEL
    },
    Panel {
        title: "Migrations per day, by outcome",
        description: "By the exit status of the command.",
        kind: Kind::Daily,
        unit: "short",
        queries: &[(
            "sum by (status) (round(increase(database_migration_total{job=\"dm_counters\",@S}[1d])))",
            "{{status}}",
        )],
        ..PANEL
    },
    Panel {
        title: "Sessions held up over time",
        description: "The most sessions that waited behind a migration at once.",
        kind: Kind::Lines,
        unit: "short",
        queries: &[(
            "max by (service) (database_migration_blocked_sessions{job=\"dm\",@S} >= 0)",
            "{{service}}",
        )],
        ..PANEL
    },
    Panel {
        title: "Why migrations failed, 30 d",
        description: "By class.",
        kind: Kind::Bars,
        unit: "short",
        queries: &[(
            "sum by (error_type) (round(increase(deployment_errors_total{job=\"dm_counters\",stage=\"migration\",@S}[30d]))) > 0",
            "{{error_type}}",
        )],
        ..PANEL
    },
];
