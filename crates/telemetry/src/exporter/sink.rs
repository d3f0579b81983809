//! A place that an exporter sends to.

use super::gateway::GatewaySender;
use crate::otlp_export;

/// A place, and the sender for it.
#[derive(Debug)]
pub(super) enum Sink {
    /// The Pushgateway.
    Gateway(Box<GatewaySender>),
    /// A collector, as one signal.
    Collector(Box<otlp_export::Sender>),
}

impl Sink {
    /// Whether some events that waited at the start have left.
    pub(super) fn has_progressed(&self) -> bool {
        match self {
            Self::Gateway(gateway) => gateway.has_progressed(),
            Self::Collector(collector) => collector.has_progressed(),
        }
    }

    /// Whether something waits that may be sent.
    pub(super) fn has_more(&self) -> bool {
        match self {
            Self::Gateway(gateway) => gateway.has_more(),
            Self::Collector(collector) => collector.has_more(),
        }
    }

    /// Sends all that waits. Returns what went wrong, a message each.
    pub(super) async fn send_all(&mut self) -> Vec<String> {
        match self {
            Self::Gateway(gateway) => gateway.send_all().await,
            Self::Collector(collector) => collector.send_all().await,
        }
    }
}
