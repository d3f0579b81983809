//! Tests that involve several tools, with real servers.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]
#![expect(clippy::float_cmp, reason = "counters hold whole numbers")]
#![expect(clippy::disallowed_methods, reason = "these tests start no background process that holds a pipe")]

mod action;
mod armed;
mod chain;
mod counting;
mod deploy_all;
mod deploy_failing;
mod deploy_killed;
mod deploy_releases;
mod deploy_settings;
mod detached;
mod faithful;
mod installing;
mod killing;
mod long_names;
mod notifications;
mod one_history;
mod otlp;
mod otlp_killed;
mod otlp_metrics;
mod outage;
mod packages;
mod platforms;
mod real_app;
mod restoring;
mod retiring;
mod run_page;
mod shared_journal;
mod sources_of_truth;
mod stages;
mod statsd;
mod store_cost;
mod store_faults;
mod summary_line;
mod terminal;
mod transport;
mod usage;
