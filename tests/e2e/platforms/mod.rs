//! scripts/rollback. Every script passes the same contract, which `docs/observability/platforms.md` describes: [`contract`]
//! has the checks, [`table`] the platforms, [`details`] what is special to one. The fakes of command-line tools are in
//! `fakes`, those of APIs in [`api`] and in `testkit::railway`. They say only what the platform's documentation or source
//! says, and name it. What can run here runs for real: [`servers`], [`docker`].

mod api;
mod contract;
mod details;
mod docker;
mod servers;
mod systemd;
mod table;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Output;

use testkit::bin::Machine;
use testkit::fault::Recording;
use testkit::script::install;
use testkit::world::World;

/// What plays the platform.
#[derive(Debug, Clone, Copy)]
enum Fake {
    /// A command-line tool.
    Program(&'static str),
    /// An HTTP API, and the setting for its address.
    Api(fn(World) -> Recording, &'static str),
}

/// A platform in the table.
#[derive(Debug, Clone, Copy)]
struct Platform {
    /// The name of the script.
    script: &'static str,
    /// The prefix of its settings for time.
    prefix: &'static str,
    fake: Fake,
    /// Good settings. `{folder}` is the folder of the test.
    settings: &'static [(&'static str, &'static str)],
    /// The settings that hold a secret.
    secrets: &'static [&'static str],
    /// The release to restore.
    target: &'static str,
    /// The live release before: a bad one.
    bad: &'static str,
    /// The live release after: many platforms restore a release under a new name.
    restored: &'static str,
    /// What `current` prints if the newest release failed; `None` if it cannot be known.
    after_failure: Option<&'static str>,
    /// Whether a release that failed never replaces the live one, so that nothing has to be done.
    failures_stay_out: bool,
    /// Whether a version name is a valid release.
    takes_versions: bool,
    /// The calls that change something, in order; a call has to start with it.
    changes: &'static [&'static str],
}

/// A script on a machine of its own, with its platform in a scenario.
struct Stage {
    machine: Machine,
    world: World,
    variables: Vec<(String, String)>,
}

impl Stage {
    fn new(platform: &Platform, scenario: &str) -> Self {
        let machine = Machine::new();
        let folder = machine.folder().to_owned();
        let world = World::new(&folder);
        common::fs::atomic::write(&folder.join("scenario"), scenario.as_bytes()).unwrap();
        let mut variables: Vec<(String, String)> = platform
            .settings
            .iter()
            .map(|(name, value)| {
                ((*name).to_owned(), value.replace("{folder}", &folder.display().to_string()))
            })
            .collect();
        link_tools(&folder.join("tools"));
        let bin = folder.join("bin");
        std::fs::create_dir(&bin).unwrap();
        match platform.fake {
            Fake::Program(name) => {
                install(&bin.join("fake.sh"), &fake("fake.sh"));
                install(&bin.join(name), &fake(&format!("{name}.sh")));
            }
            Fake::Api(start, setting) => {
                variables.push((setting.to_owned(), start(world.clone()).url));
                // The real curl, and a record of its arguments, which every user of the machine can see.
                let text = "#!/bin/bash\nprintf '%s\\n' \"$*\" >> \"${0%/bin/*}/arguments\"\nexec \"${0%/bin/*}/tools/curl\" \"$@\"\n";
                install(&bin.join("curl"), text);
            }
        }
        servers::arrange(platform, scenario, &folder);
        variables.push((format!("{}_TIMEOUT", platform.prefix), "60".to_owned()));
        variables.push((format!("{}_INTERVAL", platform.prefix), "0.02".to_owned()));
        variables.push(("DM_ROLLBACK_RELEASE".to_owned(), platform.target.to_owned()));
        Self { machine, world, variables }
    }

    fn folder(&self) -> &Path {
        self.machine.folder()
    }

    /// Runs the script with these arguments.
    fn run(&self, platform: &Platform, arguments: &[&str]) -> Output {
        self.run_with(platform, arguments, &[])
    }

    /// Runs the script with these arguments, and with variables that have other values.
    fn run_with(&self, platform: &Platform, arguments: &[&str], changed: &[(&str, &str)]) -> Output {
        let script = scripts().join(format!("{}.sh", platform.script));
        let mut command = self.machine.shell("exec \"$0\" \"$@\"");
        command.arg(script).args(arguments).envs(self.variables.iter().cloned());
        command.env("PATH", format!("{0}/bin:{0}/tools", self.folder().display()));
        command.envs(changed.iter().copied()).output().unwrap()
    }

    /// The calls so far that change something.
    fn changes(&self, platform: &Platform) -> Vec<String> {
        let mut calls = self.world.calls();
        calls.retain(|call| platform.changes.iter().any(|change| call.starts_with(change)));
        calls
    }
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/rollback").canonicalize().unwrap()
}

fn fake(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/platforms/fakes");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

/// A folder with nothing but what every machine has, and jq: a platform's tool that is installed here is not found.
fn link_tools(folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    for tool in
        "awk bash cat curl dirname env head jq ln mv readlink rm sh sleep sort timeout touch".split(' ')
    {
        let found = ["/usr/local/bin", "/usr/bin", "/bin"].map(|place| Path::new(place).join(tool));
        let found = found.iter().find(|path| path.exists()).unwrap_or_else(|| panic!("needs {tool}"));
        symlink(found, folder.join(tool)).unwrap();
    }
}
