//! The textfile for `node_exporter`'s textfile collector, with the same families as the Pushgateway.
//!
//! The file belongs to this machine, so counters are added to its content. It has no groups: every series carries its
//! environment, service and stage.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use crate::metrics::encode::encode;
use crate::metrics::exposition::Remark;
use crate::metrics::{
    Contribution, Exposition, Outage, catalog, contribution, migration_in_progress, parse::parse_all, zeros,
};
use crate::work::{WorkItem, WorkKind};
use common::event::Event;
use common::fs::{atomic, bounded, lock};

/// The largest file: what a Pushgateway may also have.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// A textfile with metrics.
#[derive(Debug, Clone)]
pub(crate) struct Textfile {
    path: PathBuf,
    lock_limit: Duration,
}

impl Textfile {
    /// The file at `path`, which need not exist yet. The collector reads only names that end in `.prom`. Waits for
    /// its lock for at most `lock_limit`.
    pub(crate) fn new(path: &Path, lock_limit: Duration) -> Self {
        Self { path: path.to_owned(), lock_limit }
    }

    /// Records the start of the work.
    pub(crate) fn open(&self, work: &WorkItem) -> Result<()> {
        let zeros = zeros(work.kind, &work.stage, work.parent.as_ref());
        self.merge(work, |_| Contribution { state: in_progress(work, 1.0), counters: zeros }).map(drop)
    }

    /// Records the outcome of the work. Returns the histograms that could not be added to.
    pub(crate) fn close(&self, work: &WorkItem, event: &Event) -> Result<Vec<Remark>> {
        self.merge(work, |stored| {
            let mut event = event.clone();
            if event.stage.is_deployment() {
                Outage::from_state(|stage, family| stored.number(family, &work.identity.labels(stage)))
                    .add(&mut event);
            }
            let mut state = in_progress(work, 0.0);
            let Contribution { state: final_state, counters } = contribution(&event);
            state.families.extend(final_state.families);
            Contribution { state, counters }
        })
    }

    /// Merges into the file what `contribute` derives from its content.
    fn merge(
        &self,
        work: &WorkItem,
        contribute: impl FnOnce(&Exposition) -> Contribution,
    ) -> Result<Vec<Remark>> {
        let labels = work.identity.labels(work.stage.as_str());
        let failed = || format!("cannot write the metrics file {}", self.path.display());
        // A folder that is missing is more likely a typing error than one that nobody has made yet: the collector reads another.
        if let Some(folder) =
            self.path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists())
        {
            return Err(anyhow!("its folder {} does not exist", folder.display())).with_context(failed);
        }
        let mut lock_path = self.path.clone().into_os_string();
        lock_path.push(".lock");
        let _lock = lock::exclusive(Path::new(&lock_path), self.lock_limit).with_context(failed)?;
        let mut stored = match bounded::read_regular_text(&self.path, MAX_BYTES) {
            Ok(text) => parse_all(&text),
            Err(error) if error.kind() == ErrorKind::NotFound => Exposition::default(),
            // Starting from nothing would look like a counter reset, and everything would be counted again.
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", self.path.display())),
        };
        let new = contribute(&stored);
        stored.replace(&new.state.with_labels(&labels), &labels);
        let refused = stored.add(&new.counters.with_labels(&labels));
        atomic::write(&self.path, &encode(&stored)?).with_context(failed)?;
        Ok(refused)
    }
}

fn in_progress(work: &WorkItem, value: f64) -> Exposition {
    let mut state = match work.kind {
        WorkKind::Migration => migration_in_progress(value, work.started_s()),
        WorkKind::Stage | WorkKind::Health | WorkKind::Smoke | WorkKind::Rollback => Exposition::default(),
    };
    if work.stage.is_deployment() {
        state.set(catalog::IN_PROGRESS, &[], value);
    }
    state
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::testing::stage_event;
    use common::event::Status;

    fn run(file: &Textfile, event: &Event) {
        let work = WorkItem {
            tool: "dm-stage",
            identity: event.identity.clone(),
            stage: event.stage.clone(),
            parent: None,
            beats_for_deployment: false,
            kind: WorkKind::Stage,
            started_at: event.ts,
            id: None,
        };
        file.open(&work).unwrap();
        assert_eq!(file.close(&work, event).unwrap(), []);
    }

    #[test]
    fn counters_grow_over_runs_and_stages_are_separate() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dm.prom");
        let file = Textfile::new(&path, Duration::from_secs(2));
        for stage in ["build", "deployment", "build"] {
            run(&file, &stage_event(stage));
        }
        let text = fs::read_to_string(&path).unwrap();
        for line in [
            r#"deployment_total{environment="production",service="api",stage="build",status="success"} 2"#,
            r#"deployment_total{environment="production",service="api",stage="deployment",status="success"} 1"#,
            r#"deployment_total{environment="production",service="api",stage="deployment",status="failure"} 0"#,
            r#"deployment_in_progress{environment="production",service="api",stage="deployment"} 0"#,
            r#"time_to_deploy_seconds_bucket{environment="production",service="api",stage="deployment",le="30"} 1"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(
            !text.contains(r#"deployment_in_progress{environment="production",service="api",stage="build"}"#)
        );
    }

    #[test]
    fn an_outage_of_a_minute_is_counted_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dm.prom");
        let file = Textfile::new(&path, Duration::from_secs(2));
        let mut event = stage_event("deployment");
        event.status = Status::Failure;
        run(&file, &event);
        event.status = Status::Success;
        event.ts += chrono::TimeDelta::minutes(1);
        run(&file, &event);
        run(&file, &event);
        let text = fs::read_to_string(&path).unwrap();
        let labels = r#"{environment="production",service="api",stage="deployment"}"#;
        for line in [
            // The minute, and the 12.4 s that the first deployment took.
            format!("deployment_time_to_restore_seconds_sum{labels} 72.4"),
            format!("deployment_time_to_restore_seconds_count{labels} 1"),
            format!("deployment_failing_since_timestamp_seconds{labels} 0"),
        ] {
            assert!(text.lines().any(|found| found.starts_with(&line)), "{line}\n{text}");
        }
    }
}
