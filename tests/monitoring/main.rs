//! What a team copies into its monitoring: rules, runbooks, and the documents that lead there.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]
#![expect(clippy::disallowed_methods, reason = "the programs run here start nothing that holds a pipe")]

mod dashboards;
mod links;
mod live;
mod mutants;
mod panels;
mod promql;
mod repository;
mod routes;
mod rule_files;
mod runbooks;
mod shortened;
mod stack;
mod workflows;
