//! What the five dashboards show. Symptoms first, causes below; each says how old its data are.

use super::panel::{Dashboard, Kind, Panel};
use super::{costs, health, migrations, pipeline, success};

/// What a panel is unless it says otherwise.
pub(super) const PANEL: Panel = Panel {
    title: "",
    description: "",
    kind: Kind::Stat,
    unit: "none",
    queries: &[],
    limit: None,
    least: None,
    states: None,
};

/// The same on every dashboard: what was not pushed lately is not known.
pub(super) const DATA_AGE: Panel = Panel {
    title: "Age of the data",
    description: "Time since a tool last pushed for these services. Between deployments it grows, and everything else here is as old.",
    unit: "s",
    queries: &[("time() - max(push_time_seconds{job=~\"dm|dm_counters\",@S})", "age")],
    ..PANEL
};

pub(crate) const DASHBOARDS: &[Dashboard] = &[
    Dashboard {
        name: "pipeline",
        title: "Deployment Pipeline",
        description: "What is being deployed now, what came of the last deployment, and where the time goes.",
        panels: pipeline::PANELS,
    },
    Dashboard {
        name: "health",
        title: "Post-Deployment Health",
        description: "How the service does after a deployment, as the tools saw it.",
        panels: health::PANELS,
    },
    Dashboard {
        name: "success",
        title: "Deployment Success Rate",
        description: "The objectives, what is left of their budgets, and DORA's four numbers.",
        panels: success::PANELS,
    },
    Dashboard {
        name: "migrations",
        title: "Database Migrations",
        description: "How long migrations take and what comes of them.",
        panels: migrations::PANELS,
    },
    Dashboard {
        name: "costs",
        title: "Deployment Costs",
        description: "What the machines that deploy cost. Dollars need DM_RUNNER_PRICE_PER_MINUTE; without it they are 0.",
        panels: costs::PANELS,
    },
];
