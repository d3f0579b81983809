//! The dashboard for database migrations.

use super::content::{DATA_AGE, PANEL};
use super::panel::{Kind, Panel};

pub(super) const PANELS: &[Panel] = &[
    Panel {
        title: "In progress",
        description: "Migration commands that are running now. If the last heartbeat is more than 2 minutes old, the runner is dead and the migration is not counted.",
        unit: "short",
        queries: &[(
            "sum(database_migration_in_progress{job=\"dm_run\",@S} and on (service, environment, run) time() - push_time_seconds{job=\"dm_run\",@S} < 120) or vector(0)",
            "migrations",
        )],
        ..PANEL
    },
    Panel {
        title: "Running for",
        description: "The longest of the running migrations. –: none is running. Above 2 minutes it is slow.",
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
        description: "Duration of the last migration command, successful or not, for the slowest service. Above 2 minutes it is slow.",
        unit: "s",
        queries: &[(
            "topk(1, max by (service, environment) (database_migration_lag_seconds{job=\"dm\",@S}))",
            "{{service}} {{environment}}",
        )],
        limit: Some((120.0, "DatabaseMigrationSlow")),
        ..PANEL
    },
    Panel {
        title: "Lock wait",
        description: "The part of the last migration's time that it spent waiting for locks. –: dm-migrate could not observe its sessions.",
        unit: "s",
        queries: &[(
            "topk(1, max by (service, environment) (database_migration_lock_wait_seconds{job=\"dm\",@S} >= 0))",
            "{{service}} {{environment}}",
        )],
        ..PANEL
    },
    Panel {
        title: "Blocked sessions",
        description: "The highest number of sessions that waited for the last migration at the same time: its impact on users.",
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
        description: "The number of migrations that were carried out.",
        unit: "short",
        queries: &[("sum(slo:events:increase30d{slo=\"migrations\",@S})", "migrations")],
        ..PANEL
    },
    Panel {
        title: "Failed, 30 d",
        description: "The number of migrations that failed. The objective is 0.",
        unit: "short",
        queries: &[("sum(slo:bad_events:increase30d{slo=\"migrations\",@S})", "failed")],
        ..PANEL
    },
    Panel {
        title: "Objective of 100 %",
        description: "Whether all migrations of the last 30 days succeeded.",
        queries: &[("min(slo:error_budget_remaining:ratio30d{slo=\"migrations\",@S})", "objective")],
        states: Some([("missed", "red"), ("met", "green")]),
        ..PANEL
    },
    Panel {
        title: "Since the last migration",
        description: "Time since the last successful migration.",
        unit: "s",
        queries: &[(
            "time() - max(deployment_last_success_timestamp_seconds{job=\"dm\",stage=\"migration\",@S})",
            "ago",
        )],
        ..PANEL
    },
    Panel {
        title: "Duration over time",
        description: "Duration of the last migration command, by outcome.",
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
        description: "The time that each migration spent waiting for locks.",
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
        description: "The number of migrations, by the exit status of the command.",
        kind: Kind::Daily,
        unit: "short",
        queries: &[(
            "sum by (status) (service_environment:database_migration_total:increase1d{@S})",
            "{{status}}",
        )],
        ..PANEL
    },
    Panel {
        title: "Blocked sessions over time",
        description: "The highest number of sessions that waited for a migration at the same time.",
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
        description: "The number of failed migrations, by class of error.",
        kind: Kind::Bars,
        unit: "short",
        queries: &[(
            concat!(
                "sum by (error_type) (",
                increase!("service_environment:deployment_errors_total:sum", "stage=\"migration\",@S", "30d"),
                ") > 0"
            ),
            "{{error_type}}",
        )],
        ..PANEL
    },
];
