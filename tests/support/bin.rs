//! The built programs, as commands with private folders.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use common::fs::lock::try_exclusive;
use tempfile::TempDir;

use crate::process;
use crate::server::eventually_within;

/// Longer than an exporter may run.
const EXPORTER_LIMIT: Duration = Duration::from_secs(90);

/// The program `name` of this build, in `target/<profile>/`. The tests themselves are in `deps` below it.
pub fn path(name: &str) -> PathBuf {
    let program = profile().join(name);
    assert!(program.exists(), "{} is not built: run cargo build --workspace first", program.display());
    program
}

/// A program of the servers that `scripts/test.sh` has unpacked next to the build; otherwise the one on PATH.
pub fn server(name: &str) -> PathBuf {
    let unpacked = servers().join("bin").join(name);
    if unpacked.exists() { unpacked } else { name.into() }
}

/// The migration tool dbmate.
pub fn dbmate() -> PathBuf {
    let program = build().join("test-servers/migration-tools/node/node_modules/.bin/dbmate");
    assert!(program.exists(), "{} is not there: ./scripts/test.sh installs it", program.display());
    program
}

/// The program `name` of Debian forky, which `scripts/test.sh` unpacks next to the others: a later generation of them.
pub fn later_server(name: &str) -> PathBuf {
    let program = build().join("test-servers/forky/usr/bin").join(name);
    assert!(program.exists(), "{} is not there: ./scripts/test.sh installs it", program.display());
    program
}

/// A folder of data that belongs to the servers.
pub fn shared(name: &str) -> PathBuf {
    servers().join("share").join(name)
}

/// A library that was unpacked with the servers.
pub fn library(name: &str) -> PathBuf {
    let folders = servers().join("lib").read_dir().into_iter().flatten().flatten();
    let found = folders.map(|folder| folder.path().join("faketime").join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{name} is not there: ./scripts/test.sh installs it"))
}

/// The folder that the servers are unpacked to.
pub(crate) fn servers() -> PathBuf {
    build().join("test-servers/usr")
}

/// The folder of the build, for files that are worth keeping from one run of the tests to the next.
pub fn build() -> PathBuf {
    profile().parent().unwrap().to_owned()
}

/// The folder of the libraries that were unpacked with the servers.
pub(crate) fn libraries() -> PathBuf {
    servers().join("lib").join(format!("{}-linux-gnu", std::env::consts::ARCH))
}

fn profile() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let folder = here.parent().unwrap();
    if folder.ends_with("deps") { folder.parent().unwrap().to_owned() } else { folder.to_owned() }
}

/// To the tools, a machine of its own: a state directory, and an environment without the variables of this machine.
#[derive(Debug)]
pub struct Machine {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

impl Default for Machine {
    fn default() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), variables: Vec::new() }
    }
}

impl Machine {
    /// A machine without a Pushgateway.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same machine with one more variable set.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Its private folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The events in the journal, as JSON.
    pub fn journal(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.folder().join("state/journal.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until no exporter runs on the machine.
    pub fn wait_for_exporter(&self) {
        let lock = self.folder().join("state/exporter.lock");
        eventually_within(EXPORTER_LIMIT, "the exporter ends", || match try_exclusive(&lock) {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(format!("{:?} run", self.exporters())),
            Err(error) => Err(error.to_string()),
        });
    }

    /// The exporters that run on the machine, by their process ids.
    pub fn exporters(&self) -> Vec<i32> {
        process::exporters(&self.folder().join("state"))
    }

    /// A shell with the tools on its PATH, for scripts with pipes.
    pub fn shell(&self, script: &str) -> Command {
        let mut command = self.command(Path::new("bash"));
        command.args(["-c", script]);
        command
    }

    /// The tool `name`.
    pub fn tool(&self, name: &str) -> Command {
        self.command(&path(name))
    }

    fn command(&self, program: &Path) -> Command {
        let tools = path("dm-stage").parent().unwrap().to_owned();
        let mut command = Command::new(program);
        // The variables of the machine that runs the tests, such as those of its CI, do not reach the tools.
        command.env_clear();
        command.env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", tools.display()));
        command.env("DM_STATE_DIR", self.folder().join("state"));
        // What a tool pushes is there when it has ended. Tests of the detached export say so.
        command.env("PUSHGATEWAY_URL", "disabled").env("DM_EXPORT", "foreground");
        command.env("DM_SERVICE", "shop").env("DM_ENVIRONMENT", "production");
        command.envs(self.variables.iter().cloned());
        command.current_dir(self.folder());
        command
    }
}
