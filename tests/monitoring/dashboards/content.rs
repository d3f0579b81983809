//! The contents of the five dashboards. Symptoms come first, causes below; each shows the age of its data.

use super::panel::{Dashboard, Kind, Panel};
use super::{costs, health, migrations, pipeline, success};

/// The default values of a panel.
pub(super) const PANEL: Panel = Panel {
    title: "",
    description: "",
    kind: Kind::Stat,
    unit: "none",
    queries: &[],
    limit: None,
    minimum: None,
    states: None,
};

/// The same panel on every dashboard: without a recent push, the dashboard shows old data.
pub(super) const DATA_AGE: Panel = Panel {
    title: "Age of the data",
    description: "Time since a tool last pushed data for these services. It grows between deployments, and everything else on this dashboard is just as old.",
    unit: "s",
    queries: &[("time() - max(push_time_seconds{job=~\"dm|dm_counters\",@S})", "age")],
    ..PANEL
};

pub(crate) const DASHBOARDS: &[Dashboard] = &[
    Dashboard {
        name: "pipeline",
        title: "Deployment Pipeline",
        description: "The deployments in progress, the result of the last deployment, and where the time goes.",
        panels: pipeline::PANELS,
    },
    Dashboard {
        name: "health",
        title: "Post-Deployment Health",
        description: "The health of the service after a deployment, as measured by the tools.",
        panels: health::PANELS,
    },
    Dashboard {
        name: "success",
        title: "Deployment Success Rate",
        description: "The objectives, their remaining error budgets, and the four DORA metrics.",
        panels: success::PANELS,
    },
    Dashboard {
        name: "migrations",
        title: "Database Migrations",
        description: "The duration and the results of migrations, and their lock waits.",
        panels: migrations::PANELS,
    },
    Dashboard {
        name: "costs",
        title: "Deployment Costs",
        description: "The cost of the machines that deploy. Costs in dollars need DM_RUNNER_PRICE_PER_MINUTE; without it they are 0.",
        panels: costs::PANELS,
    },
];
