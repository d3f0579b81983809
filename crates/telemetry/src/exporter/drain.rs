//! Sends all that waits in one state directory, to every place at the same time.

use std::cell::Cell;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::sleep;

use super::failure::Failure;
use super::gateway::GatewaySender;
use super::job::Job;
use super::sink::Sink;
use crate::otlp_export;

/// The time between two looks at what waits for one place, while another one is still sent to.
const PAUSE: Duration = Duration::from_millis(50);

/// Sends what waits.
#[derive(Debug)]
pub(super) struct Drain {
    state_dir: PathBuf,
    sinks: Vec<Sink>,
}

impl Drain {
    /// Prepares for the job. The environment names the collectors.
    pub(super) fn new(job: Job) -> Self {
        let gateway = job.gateway.and_then(|gateway| GatewaySender::new(&job.state_dir, gateway).ok());
        let gateway = gateway.into_iter().map(|gateway| Sink::Gateway(Box::new(gateway)));
        let collectors = otlp_export::Sender::all_from_env(&job.state_dir).into_iter();
        let collectors = collectors.map(|collector| Sink::Collector(Box::new(collector)));
        Self { sinks: gateway.chain(collectors).collect(), state_dir: job.state_dir }
    }

    /// The job for another exporter.
    pub(super) fn job(&self) -> Job {
        let gateway = self.sinks.iter().find_map(|sink| match sink {
            Sink::Gateway(gateway) => Some(gateway.gateway()),
            Sink::Collector(_) => None,
        });
        Job { state_dir: self.state_dir.clone(), gateway }
    }

    /// Whether some events that waited at the start have left.
    pub(super) fn has_progressed(&self) -> bool {
        self.sinks.iter().any(Sink::has_progressed)
    }

    /// Whether something waits that may be sent.
    pub(super) fn has_more(&self) -> bool {
        self.sinks.iter().any(Sink::has_more)
    }

    /// Sends all that waits, and what is written for one place while another one is still sent to. Leaves what failed for
    /// the next tool to report.
    pub(super) async fn send_all(&mut self) {
        let (state_dir, busy) = (&self.state_dir, &Cell::new(self.sinks.len()));
        join_all(self.sinks.iter_mut().map(|sink| async move {
            loop {
                Failure::from(sink.send_all().await).save(state_dir);
                busy.set(busy.get() - 1);
                while !sink.has_more() {
                    if busy.get() == 0 {
                        return;
                    }
                    sleep(PAUSE).await;
                }
                busy.set(busy.get() + 1);
            }
        }))
        .await;
    }
}
