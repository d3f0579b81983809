//! What the tests of dm-stage share: the tool with a private state directory, and its journal.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

/// A new state directory.
pub(crate) fn state_dir() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// The tool, isolated from the environment of the test.
pub(crate) fn dm_stage(state: &TempDir) -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_dm-stage"));
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("DM_STATE_DIR", state.path());
    command.env("DM_SERVICE", "shop").env("DM_ENVIRONMENT", "production").env("DM_EXPORT", "foreground");
    command
}

/// All events of the journal.
pub(crate) fn journal(state: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(state.join("journal.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
