//! A file outside the shared state, to which every deployment and every rollback command writes when it begins and ends.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

/// Writes a line: what, the deployment, the runner, the time and the fencing number. One write each, so that lines do not
/// mix.
pub(super) const WITNESS: &str = "witness() { echo \"$1 $DM_DEPLOYMENT_ID $TRIAL_RUNNER $(date +%s%N) ${DM_ROLLBACK_FENCE-0}\" >> \"$TRIAL_WITNESS\"; }";

/// The file.
#[derive(Debug)]
pub(super) struct Witness(TempDir);

/// A line of the file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) what: String,
    pub(super) deployment: String,
    pub(super) runner: usize,
    /// Nanoseconds since the epoch.
    pub(super) at: u128,
    pub(super) fence: u64,
}

/// A time in which somebody could change what is live.
#[derive(Debug)]
pub(super) struct Interval {
    pub(super) deployment: String,
    pub(super) what: String,
    pub(super) from: u128,
    pub(super) to: u128,
}

impl Witness {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn path(&self) -> PathBuf {
        self.0.path().join("witness")
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        read(&self.path())
    }
}

fn read(path: &Path) -> Vec<Line> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let line = |line: &str| {
        let [what, deployment, runner, at, fence] =
            <[&str; 5]>::try_from(line.split(' ').collect::<Vec<_>>()).unwrap();
        Line {
            what: what.to_owned(),
            deployment: deployment.to_owned(),
            runner: runner.parse().unwrap(),
            at: at.parse().unwrap(),
            fence: fence.parse().unwrap(),
        }
    };
    text.lines().map(line).collect()
}

/// The intervals between the lines `begin` and `end` of each runner. `killed` is when a runner was killed: its
/// deployment is over then, although its script may go on; a rollback that the script begins holds a lease of its own.
pub(super) fn intervals(lines: &[Line], killed: &[Option<u128>]) -> Vec<Interval> {
    let begun = lines.iter().filter(|line| !line.what.starts_with("end"));
    let interval = |begin: &Line| {
        let is_its = |line: &&Line| line.runner == begin.runner && line.what == format!("end-{}", begin.what);
        let ended = lines.iter().find(is_its).map(|line| line.at);
        let (from, killed) = (begin.at, killed[begin.runner]);
        let to = if begin.what == "act" { ended.or(killed) } else { ended.into_iter().chain(killed).min() };
        // A script that goes on without its tool is no holder.
        let to =
            to.unwrap_or_else(|| panic!("{begin:?} has no end, and its runner was not killed")).max(from);
        Interval { deployment: begin.deployment.clone(), what: begin.what.clone(), from, to }
    };
    begun.map(interval).collect()
}

/// The present time, as [`Line::at`].
pub(super) fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()
}
