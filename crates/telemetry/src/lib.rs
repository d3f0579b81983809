//! Where an event goes once it has happened: the journal, the textfile, the Pushgateway, OpenTelemetry collectors and StatsD.
//!
//! It owns the [`Recorder`], the journal on disk, the metric families and their text format, the textfile for
//! `node_exporter`, the Pushgateway protocol with its outbox, and the process that pushes after a tool has ended. It
//! decides nothing: recording never changes a verdict or an exit code, unless `--require-export` asks for that. It knows
//! no tool.
#![warn(missing_docs)]

mod args;
mod async_lock;
mod context;
mod exporter;
mod interrupted;
mod journal;
mod metrics;
mod otlp_export;
mod pushgateway;
mod recorder;
mod running;
mod shared;
mod statsd;
#[cfg(test)]
mod testing;
mod textfile;
mod work;

pub use args::ExportArgs;
pub use context::{Context, HEARTBEAT, state_dir};
pub use exporter::{main, wait_for_exporter};
pub use interrupted::record_interrupted;
pub use journal::{Contents, Entry, Journal, Unreadable};
pub use metrics::{Counts, catalog};
pub use otlp::Settings as OtlpSettings;
pub use otlp_export::send_waiting;
pub use pushgateway::{Endpoint, GatewayClient, Outbox, Retired, retire, settle, waiting};
pub use recorder::{Recorded, Recorder, Sinks};
pub use running::Unfinished;
pub use shared::{
    JournalOfAll, PendingEntries, deployment_events, flush_shared, read_deployment, read_journal, read_since,
};
pub use work::{WorkItem, WorkKind};
