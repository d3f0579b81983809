//! Sends all that waits in one state directory, to every place at the same time.

use std::path::PathBuf;

use super::failure::Failure;
use super::gateway::GatewaySender;
use super::job::Job;
use crate::otlp_export;

/// Sends what waits.
#[derive(Debug)]
pub(super) struct Drain {
    state_dir: PathBuf,
    gateway: Option<GatewaySender>,
    otlp: Option<otlp_export::Sender>,
    /// The number of events that waited for collectors at the start.
    otlp_waiting: usize,
}

impl Drain {
    /// Prepares for the job. The environment names the collectors.
    pub(super) fn new(job: Job) -> Self {
        let otlp = otlp_export::Sender::from_env(&job.state_dir);
        Self {
            gateway: job.gateway.and_then(|gateway| GatewaySender::new(&job.state_dir, gateway).ok()),
            otlp_waiting: otlp.as_ref().map_or(0, otlp_export::Sender::all_waiting),
            otlp,
            state_dir: job.state_dir,
        }
    }

    /// The job for another exporter.
    pub(super) fn job(&self) -> Job {
        Job { state_dir: self.state_dir.clone(), gateway: self.gateway.as_ref().map(GatewaySender::gateway) }
    }

    /// Whether some events that waited at the start have left.
    pub(super) fn has_progressed(&self) -> bool {
        self.gateway.as_ref().is_some_and(GatewaySender::has_progressed)
            || self.otlp.as_ref().is_some_and(|otlp| otlp.all_waiting() < self.otlp_waiting)
    }

    /// Whether something waits that may be sent.
    pub(super) fn has_more(&self) -> bool {
        self.gateway.as_ref().is_some_and(GatewaySender::has_more)
            || self.otlp.as_ref().is_some_and(otlp_export::Sender::has_more)
    }

    /// Sends all that waits. Leaves what failed for the next tool to report.
    pub(super) async fn send_all(&mut self) {
        let Self { gateway, otlp, .. } = self;
        let to_gateway = async {
            match gateway {
                Some(gateway) => gateway.send_all().await,
                None => Vec::new(),
            }
        };
        let to_collectors = async {
            match otlp {
                Some(otlp) => otlp.send_all().await,
                None => Vec::new(),
            }
        };
        let (first, second) = tokio::join!(to_gateway, to_collectors);
        let mut failure = Failure::default();
        failure.extend(first.into_iter().chain(second));
        failure.save(&self.state_dir);
    }
}
