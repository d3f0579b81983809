//! The files that a team copies into its monitoring: rules, dashboards, runbooks, and the documents that link to them.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]
#![expect(clippy::disallowed_methods, reason = "the programs run here start nothing that holds a pipe")]

mod audit;
mod dashboards;
mod incidents;
mod links;
mod live;
mod mutants;
mod panels;
mod promql;
mod repository;
mod routes;
mod rule_files;
mod runbooks;
mod shortened_waits;
mod stack;
mod truth;
mod workflows;
