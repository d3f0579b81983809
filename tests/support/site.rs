//! A service of several components whose live versions are files in a folder, with a web server that answers for them.
//! Deploying and rolling back take a single command each, so that many deployments can be tried.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::clock::{Clock as _, SystemClock};

use crate::bin::Machine;
use crate::fault::{Recording, answer};

/// The smoke tests: one page.
const SUITE: &str = "[[test]]\nname = \"the page is there\"\nhttp = { url = \"/api/page\" }\n";

/// A machine with a site on it.
#[derive(Debug)]
pub struct Site {
    machine: Machine,
    server: Recording,
}

impl Default for Site {
    fn default() -> Self {
        let machine = Machine::new().with("DM_BUCKET", "50ms");
        let folder = machine.folder().to_owned();
        for name in ["live", "faults", "state/rollback/production"] {
            std::fs::create_dir_all(folder.join(name)).unwrap();
        }
        common::fs::atomic::write(&folder.join("smoke.toml"), SUITE.as_bytes()).unwrap();
        let count = Arc::new(AtomicU64::new(0));
        let server = Recording::answering(move |head| respond(head, &folder, &count));
        Self { machine, server }
    }
}

/// The answer for a component: `{"version": …}`. The file `faults/VERSION` names the page of that version that fails: every
/// second request for `orders`, every request for another one. If it is `schema`, all pages fail until the file `migrated`
/// is there.
fn respond(head: &str, folder: &Path, count: &AtomicU64) -> String {
    let path = head.split(' ').nth(1).unwrap_or_default();
    let (component, page) = path.trim_start_matches('/').split_once('/').unwrap_or_default();
    let read = |file: PathBuf| std::fs::read_to_string(file).unwrap_or_default();
    let version = read(folder.join("live").join(component));
    let fault = read(folder.join("faults").join(&version));
    let lacks_schema = fault == "schema" && !folder.join("migrated").exists();
    let is_lucky = page == "orders" && count.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
    let is_faulty = fault == page && !is_lucky;
    let status = if version.is_empty() || is_faulty || lacks_schema { "500 Broken" } else { "200 OK" };
    answer(status, &format!("{{\"version\":\"{version}\"}}"))
}

impl Site {
    /// A site on which nothing was deployed.
    pub fn new() -> Self {
        Self::default()
    }

    /// A site on which version 1 of both components is live, and known to be good as release r-1.
    pub fn with_good_version() -> Self {
        let site = Self::new();
        for component in ["api", "web"] {
            site.write(&format!("live/{component}"), "1");
            let good = r#""deployment":"d-1","type":"good","version":"1","release":"r-1""#;
            site.append_ledger(component, &[good]);
        }
        site
    }

    /// The machine that the site is on.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Whether a page of a component was requested.
    pub fn was_asked(&self, page: &str) -> bool {
        self.server.heads().iter().any(|head| head.contains(page))
    }

    /// Writes a file in the folder of the site.
    pub fn write(&self, name: &str, text: &str) {
        common::fs::atomic::write(&self.machine.folder().join(name), text.as_bytes()).unwrap();
    }

    /// A file in the folder of the site; empty if there is none.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.machine.folder().join(name)).unwrap_or_default()
    }

    /// Appends entries to the ledger of a component, each without its format and its time, which is a minute ago.
    pub fn append_ledger(&self, component: &str, entries: &[&str]) {
        let ts = (SystemClock.now() - Duration::from_mins(1)).to_rfc3339();
        let lines = entries.iter().map(|entry| format!("{{\"v\":1,\"ts\":\"{ts}\",{entry}}}\n"));
        let name = format!("state/rollback/production/{component}.jsonl");
        self.write(&name, &format!("{}{}", self.read(&name), lines.collect::<String>()));
    }

    /// A command that deploys `version` of these components. The lines of `config` follow the usual configuration.
    pub fn deploy(&self, components: &[&str], version: &str, config: &str) -> Command {
        let names = components.join(" ");
        let settings: String = components.iter().map(|component| self.settings(component)).collect();
        let text = format!(
            "COMPONENTS='{names}' VERSION_AT='json:$.version' HEALTH_INTERVAL=10ms HEALTH_DEADLINE=60s\n\
             WATCH=100ms..60s WATCH_INTERVAL=5ms SMOKE_BASE_URL={}\n{settings}{config}\n",
            self.server.url
        );
        let file = format!("deploy-{version}.env");
        self.write(&file, &text);
        let mut command = self.machine.shell(&format!("exec '{}' --config {file}", self.script()));
        command.env("DM_VERSION", version);
        command
    }

    /// The settings of a component.
    fn settings(&self, component: &str) -> String {
        let (name, url) = (component.to_uppercase(), &self.server.url);
        let new = format!("live/new.{component}");
        let flip = |version: &str| format!("printf %s \"${version}\" > {new} && mv {new} live/{component}");
        let told = "$DM_FAILED_VERSION to $DM_ROLLBACK_TARGET ${DM_ROLLBACK_RELEASE-}";
        format!(
            "{name}_DEPLOY='{deploy}'\n{name}_RELEASE='printf r-%s \"$(cat live/{component})\"'\n\
             {name}_ROLLBACK='echo \"{component} {told}\" >> rollbacks; {rollback}'\n\
             {name}_HEALTH_URL={url}/{component}/health\n",
            deploy = flip("DM_VERSION"),
            rollback = flip("DM_ROLLBACK_TARGET")
        )
    }

    /// The path of `deploy-all.sh`.
    pub fn script(&self) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/deploy-all.sh");
        script.canonicalize().unwrap().display().to_string()
    }

    /// Moves every time in the ledger of a component back by this number of minutes.
    pub fn advance(&self, component: &str, minutes: u64) {
        let name = format!("state/rollback/production/{component}.jsonl");
        let move_back = |line: &str| {
            let mut entry: serde_json::Value = serde_json::from_str(line).unwrap();
            let ts: chrono::DateTime<chrono::Utc> = entry["ts"].as_str().unwrap().parse().unwrap();
            entry["ts"] = (ts - Duration::from_mins(minutes)).to_rfc3339().into();
            format!("{entry}\n")
        };
        self.write(&name, &self.read(&name).lines().map(move_back).collect::<String>());
    }

    /// The setting that watches a component.
    pub fn watch(&self, component: &str) -> String {
        format!("{}_WATCH_URL={}/{component}/orders", component.to_uppercase(), self.server.url)
    }
}
