//! releases.sh for real: a real service, on a real systemd, with start-stop-daemon, and over SSH.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use testkit::bin::Machine;
use testkit::port::ReservedPort;
use testkit::script::install;
use testkit::server::{client, eventually};

use super::systemd::Systemd;
use super::{Platform, scripts};

/// The folders of a service with symbolic links, for the contract.
pub(super) fn arrange(platform: &Platform, scenario: &str, folder: &Path) {
    if platform.script != "releases" {
        return;
    }
    let releases = folder.join("srv/releases");
    for version in ["1.4.1", "2.0.0"] {
        if version != "1.4.1" || scenario != "gone" {
            std::fs::create_dir_all(releases.join(version)).unwrap();
        }
    }
    link(folder, if scenario == "live" { "1.4.1" } else { "2.0.0" });
}

fn link(folder: &Path, version: &str) {
    let link = folder.join("srv/current");
    let _ = std::fs::remove_file(&link);
    std::os::unix::fs::symlink(format!("releases/{version}"), link).unwrap();
}

/// A server with the releases 1.4.1 and 2.0.0 of the sample service, and one that does not start. 2.0.0 is live; all its
/// orders fail.
struct Server {
    machine: Machine,
    port: ReservedPort,
    systemd: Option<Systemd>,
}

impl Server {
    fn new() -> Self {
        let (machine, port) = (Machine::new(), ReservedPort::new());
        let folder = machine.folder().to_owned();
        let service = testkit::bin::path("sample-service");
        for (version, errors) in [("1.4.1", 0), ("2.0.0", 100)] {
            let release = folder.join("srv/releases").join(version);
            std::fs::create_dir_all(&release).unwrap();
            let run = format!(
                "#!/bin/bash\nexec '{}' serve --version-name {version} --error-percent {errors} --listen {} --db '{}/app.db'\n",
                service.display(),
                port.address(),
                folder.display()
            );
            install(&release.join("run"), &run);
        }
        let broken = folder.join("srv/releases/1.3.0");
        std::fs::create_dir_all(&broken).unwrap();
        install(&broken.join("run"), "#!/bin/bash\nexit 1\n");
        link(&folder, "2.0.0");
        Self { machine, port, systemd: None }
    }

    /// Whoever starts the service, start-stop-daemon is what they call.
    fn with_start_stop_daemon() -> Self {
        let server = Self::new();
        let folder = server.srv();
        let restart = format!(
            "#!/bin/bash\nset -eu\ndaemon=/usr/sbin/start-stop-daemon\npid='{0}/pid'\n\
             [ ! -e $pid ] || $daemon --stop --quiet --oknodo --retry TERM/20 --pidfile $pid\n\
             $daemon --start --background --make-pidfile --pidfile $pid --chdir '{0}/current' --startas '{0}/current/run'\n",
            folder.display()
        );
        install(&folder.join("restart"), &restart);
        assert!(Command::new(folder.join("restart")).status().unwrap().success());
        server
    }

    /// Otherwise says why this machine cannot have another systemd.
    fn with_systemd() -> Result<Self, &'static str> {
        let mut server = Self::new();
        let folder = server.srv();
        let unit = format!(
            "[Unit]\nDefaultDependencies=no\n[Service]\nWorkingDirectory={0}/current\nExecStart={0}/current/run\n",
            folder.display()
        );
        let path = server.machine.folder().join("shop.service");
        common::fs::atomic::write(&path, unit.as_bytes()).unwrap();
        server.systemd = Some(Systemd::start(&path)?);
        Ok(server)
    }

    fn srv(&self) -> PathBuf {
        self.machine.folder().join("srv")
    }

    /// Runs releases.sh on this server.
    fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
        let mut program = vec![scripts().join("releases.sh").display().to_string()];
        program.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self.call(&program, variables)
    }

    /// Runs a program on this server, with the settings of releases.sh.
    fn call(&self, program: &[String], variables: &[(&str, &str)]) -> (Option<i32>, String) {
        let mut command;
        if let Some(systemd) = &self.systemd {
            command = self.machine.shell("exec nsenter --target \"$0\" --all \"$@\"");
            command.arg(systemd.id.to_string()).env("RELEASES_UNITS", "shop.service");
        } else {
            command = self.machine.shell("exec \"$0\" \"$@\"");
            command.env("RELEASES_RESTART", self.srv().join("restart"));
            command.env("RELEASES_PIDFILE", self.srv().join("pid"));
        }
        command.args(program).env("RELEASES_DIR", self.srv()).env("RELEASES_INTERVAL", "0.2");
        command.env("RELEASES_TIMEOUT", "60").envs(variables.iter().copied());
        text(&command.output().unwrap())
    }

    /// What the service says itself.
    fn wait_for(&self, version: &str) {
        eventually(&format!("{version} answers"), || {
            let answer = client().get(format!("http://{}/version", self.port.address())).send();
            let text =
                answer.and_then(reqwest::blocking::Response::text).map_err(|error| error.to_string())?;
            if text.trim() == version { Ok(()) } else { Err(text) }
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid =
            std::fs::read_to_string(self.srv().join("pid")).ok().and_then(|text| text.trim().parse().ok());
        if let Some(pid) = pid {
            let _ =
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
        }
    }
}

fn text(output: &Output) -> (Option<i32>, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

/// The service is what `current` says it is, and no verdict is better than what runs.
fn tell_the_story(server: &Server) {
    server.wait_for("2.0.0");
    assert_eq!(server.run(&["current"], &[]), (Some(0), "2.0.0\n".to_owned()));
    let (code, output) = server.run(&[], &[("DM_ROLLBACK_TARGET", "1.4.1")]);
    assert!(code == Some(0) && output.ends_with("1.4.1 is live\n"), "{output}");
    server.wait_for("1.4.1");
    assert_eq!(server.run(&["current"], &[]), (Some(0), "1.4.1\n".to_owned()));
    let already = (Some(0), "1.4.1 is already live\n".to_owned());
    assert_eq!(server.run(&[], &[("DM_ROLLBACK_RELEASE", "1.4.1")]), already);

    let (code, output) = server.run(&[], &[("DM_ROLLBACK_RELEASE", "1.0.0")]);
    assert!(
        code == Some(1) && output.contains("does not exist any more: deploy that version again"),
        "{output}"
    );
    server.wait_for("1.4.1");

    // A deployment that switched the link, and did not restart the service.
    link(server.machine.folder(), "2.0.0");
    let (code, output) = server.run(&["current"], &[]);
    assert!(code == Some(1) && output.contains("the link leads to 2.0.0, but process "), "{output}");
    let (code, output) = server.run(&[], &[("DM_ROLLBACK_RELEASE", "2.0.0")]);
    assert!(code == Some(0) && output.ends_with("2.0.0 is live\n"), "{output}");
    server.wait_for("2.0.0");

    // A release that does not start.
    let (code, output) = server.run(&[], &[("DM_ROLLBACK_RELEASE", "1.3.0"), ("RELEASES_TIMEOUT", "3")]);
    assert!(code == Some(1) && output.contains("1.3.0 is not live after 3 s"), "{output}");
    assert_eq!(server.run(&["current"], &[]).0, Some(1));
    let (code, output) = server.run(&[], &[("DM_ROLLBACK_RELEASE", "1.4.1")]);
    assert!(code == Some(0) && output.ends_with("1.4.1 is live\n"), "{output}");
    server.wait_for("1.4.1");
}

#[test]
fn releases_on_a_real_systemd() {
    match Server::with_systemd() {
        Ok(server) => tell_the_story(&server),
        Err(reason) => println!("skipped: {reason}"),
    }
}

#[test]
fn releases_with_a_program_that_restarts_the_service() {
    tell_the_story(&Server::with_start_stop_daemon());
}

/// A restart that does nothing leaves the old version running: the link alone proves nothing.
#[test]
fn a_restart_that_does_nothing_is_no_rollback() {
    let server = Server::with_start_stop_daemon();
    server.wait_for("2.0.0");
    let variables =
        [("DM_ROLLBACK_RELEASE", "1.4.1"), ("RELEASES_RESTART", "/bin/true"), ("RELEASES_TIMEOUT", "2")];
    let (code, output) = server.run(&[], &variables);
    assert!(code == Some(1) && output.contains("the link leads to 1.4.1, but process "), "{output}");
    server.wait_for("2.0.0");
}

/// The whole way: the release of the good version is recorded, and a bad version that follows is rolled back to it.
#[test]
fn dm_rollback_restores_the_release_that_was_recorded() {
    let server = Server::with_start_stop_daemon();
    assert_eq!(server.run(&[], &[("DM_ROLLBACK_RELEASE", "1.4.1")]).0, Some(0));
    server.wait_for("1.4.1");
    let script = scripts().join("releases.sh").display().to_string();
    let bash =
        |text: String| server.call(&["bash".to_owned(), "-c".to_owned(), text], &[("DM_BUCKET", "100ms")]);
    let (code, output) =
        bash(format!("dm-rollback --mark-good --app-version fourteen --release \"$('{script}' current)\""));
    assert_eq!(code, Some(0), "{output}");
    link(server.machine.folder(), "2.0.0");
    assert!(Command::new(server.srv().join("restart")).status().unwrap().success());
    server.wait_for("2.0.0");
    let url = format!("http://{}", server.port.address());
    let (code, output) = bash(format!(
        "set -o pipefail; export DM_VERSION=2.0.0; dm-health --url {url}/api/orders --interval 10ms --max-fail 3 --format jsonl |
             dm-rollback --if-health-fails --verify-url {url}/health -- '{script}'"
    ));
    assert!(code == Some(10) && output.contains("switching "), "{code:?} {output}");
    server.wait_for("1.4.1");
}

/// ssh gives the words after the name of the server, with spaces between them, to a shell there: ssh(1). Nothing but the
/// variables that are named reaches the script.
const SSH: &str = "#!/bin/bash\nwhile [ \"$1\" != -- ]; do shift; done\n[ \"$2\" = deploy@vps ] || exit 255\nshift 2\n\
                   exec env -i PATH=\"$PATH\" sh -c \"$*\"\n";

#[test]
fn releases_on_another_server_over_ssh() {
    let server = Server::with_start_stop_daemon();
    server.wait_for("2.0.0");
    let bin = server.machine.folder().join("bin");
    std::fs::create_dir(&bin).unwrap();
    install(&bin.join("ssh"), SSH);
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display());
    let script = scripts().join("releases.sh");
    let remote = [
        ("PATH", path.as_str()),
        ("RELEASES_HOST", "deploy@vps"),
        ("RELEASES_SCRIPT", script.to_str().unwrap()),
        ("DM_ROLLBACK_RELEASE", "1.4.1"),
    ];
    assert_eq!(server.run(&["current"], &remote), (Some(0), "2.0.0\n".to_owned()));
    let (code, output) = server.run(&[], &remote);
    assert!(code == Some(0) && output.ends_with("1.4.1 is live\n"), "{output}");
    server.wait_for("1.4.1");
    // ssh itself fails with 255, which is no code of the contract.
    let elsewhere = [remote[0], ("RELEASES_HOST", "nowhere"), remote[2], remote[3]];
    let (code, output) = server.run(&[], &elsewhere);
    assert!(code == Some(1) && output.contains("nowhere"), "{output}");
}
