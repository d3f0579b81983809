//! Migrations.

use super::content::{DATA_AGE, PANEL};
use super::panel::{Kind, Panel};

pub(super) const PANELS: &[Panel] = &[
    Panel {
        title: "Last migration",
        description: "How long the last migration command took, successful or not. Slow from 2 minutes on.",
        unit: "s",
        queries: &[(
            "max by (service, environment) (database_migration_lag_seconds{job=\"dm\",@S})",
            "{{service}} {{environment}}",
        )],
        limit: Some((120.0, "DatabaseMigrationSlow")),
        ..PANEL
    },
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
    DATA_AGE,
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
