//! The sample platform: the folder to which `scripts/deploy-all.sh` deploys the sample service.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bin::Machine;
use crate::server::client;

/// A machine with a sample platform on it. Dropping it stops the services that run there.
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
    /// A platform without a deployed service.
    pub fn new() -> Self {
        Self::default()
    }

    /// The machine that the platform is on.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// A command that deploys `version` with `deploy-all.sh`. The lines of `config` follow the sample's configuration.
    pub fn deploy(&self, version: &str, config: &str) -> Command {
        let path = self.machine.folder().join(format!("deploy-{version}.env"));
        // The watch ends as soon as the version is proven good or bad, also on a busy machine.
        let text = format!(
            ". '{}'\nHEALTH_INTERVAL=20ms HEALTH_DEADLINE=60s WATCH=100ms..60s WATCH_INTERVAL=5ms DM_BUCKET=100ms\n{config}\n",
            script("sample/deploy.env").display()
        );
        common::fs::atomic::write(&path, text.as_bytes()).unwrap();
        let mut command = self.machine.shell(&format!("exec '{}' \"$@\"", script("deploy-all.sh").display()));
        command.args(["deploy-all.sh", "--config"]).arg(path).env("DM_VERSION", version);
        command
    }

    /// The version that a component reports, or an empty text if it does not answer.
    pub fn live(&self, component: &str) -> String {
        let address =
            std::fs::read_to_string(self.machine.folder().join(format!("platform/{component}.address")))
                .unwrap();
        let answer = client().get(format!("http://{}/version", address.trim())).send();
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
