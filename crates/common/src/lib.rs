//! The vocabulary that all tools share, with its formats: exit codes, events, records, identity, labels, arguments.
//!
//! It owns the words and a few platform helpers: files, the terminal, one HTTP client, one async runtime. It owns no
//! I/O beyond those, no child process, no metrics and no decision: those live in the crates above it. It depends on no
//! other crate of this workspace.
#![warn(missing_docs)]

pub mod args;
pub mod build_info;
pub mod cli;
pub mod clock;
mod digest;
pub mod duration;
pub mod env;
pub mod event;
pub mod exit;
pub mod fs;
pub mod github_actions;
pub mod http;
pub mod identity;
pub mod label;
pub mod markdown;
pub mod output;
pub mod prometheus_api;
pub mod proxy;
pub mod random;
pub mod records;
pub mod runtime;
pub mod secrets;
pub mod server_text;
pub mod term;
pub mod tls;
pub mod version;
pub mod watch_time;
