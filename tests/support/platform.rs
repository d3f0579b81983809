//! The sample platform: the folder to which `scripts/deploy-all.sh` deploys the sample service.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bin::Machine;

/// A machine with a sample platform on it. What runs there is stopped at the end.
#[derive(Debug)]
pub struct Platform {
    machine: Machine,
}

impl Default for Platform {
    fn default() -> Self {
        let machine = Machine::new();
        let folder = machine.folder().join("platform");
        let platform = Self { machine: machine.with("SAMPLE_DIR", folder.to_str().unwrap()) };
        assert!(platform.verb("init").status().unwrap().success());
        platform
    }
}

impl Platform {
    /// A platform on which nothing is live.
    pub fn new() -> Self {
        Self::default()
    }

    /// The machine that it is on.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Deploys `version` by `deploy-all.sh`, with the sample's configuration and these lines of a team's own after it.
    pub fn deploy(&self, version: &str, config: &str) -> Command {
        let path = self.machine.folder().join(format!("deploy-{version}.env"));
        let text = format!(
            ". '{}'\nHEALTH_INTERVAL=20ms HEALTH_DEADLINE=20s WATCH=1s WATCH_INTERVAL=10ms\n{config}\n",
            script("sample/deploy.env").display()
        );
        common::fs::atomic::write(&path, text.as_bytes()).unwrap();
        let mut command = self.machine.shell(&format!("exec '{}' \"$@\"", script("deploy-all.sh").display()));
        command.args(["deploy-all.sh", "--config"]).arg(path).env("DM_VERSION", version);
        command
    }

    /// The version that a component says it is, or nothing where it does not answer.
    pub fn live(&self, component: &str) -> String {
        let address =
            std::fs::read_to_string(self.machine.folder().join(format!("platform/{component}.address")))
                .unwrap();
        let answer = reqwest::blocking::get(format!("http://{}/version", address.trim()));
        answer.and_then(reqwest::blocking::Response::text).unwrap_or_default().trim().to_owned()
    }

    fn verb(&self, verb: &str) -> Command {
        self.machine.shell(&format!("exec '{}' {verb}", script("sample/platform.sh").display()))
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        let _ = self.verb("stop").status();
    }
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts").join(name).canonicalize().unwrap()
}
