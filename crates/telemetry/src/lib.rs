//! Where an event goes once it has happened: the journal, the textfile and the Pushgateway.
//!
//! It owns the [`Recorder`], the journal on disk, the metric families and their text format, the textfile for
//! `node_exporter`, and the Pushgateway protocol with its outbox. It decides nothing: recording never changes a
//! verdict or an exit code, unless `--require-export` asks for that. It knows no tool.
#![warn(missing_docs)]

pub mod args;
pub mod context;
pub mod journal;
pub mod metrics;
pub mod pushgateway;
pub mod recorder;
#[cfg(test)]
mod testing;
pub mod textfile;
pub mod work;
