//! The report: one file of HTML about a deployment, or about those of some time. It needs no network and no script, so it
//! can be attached to anything and opened anywhere. Pure.

mod chart;
mod deployment;
mod evidence;
mod lists;
mod outages;
mod period;
mod render;
mod stages;
mod statistics;
mod trend;
mod watch;

use std::time::Duration;

use common::duration::format_duration;

pub(crate) use deployment::deployment_report;
pub(crate) use period::period_report;

/// A time in seconds.
fn length(seconds: f64) -> String {
    format_duration(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}
