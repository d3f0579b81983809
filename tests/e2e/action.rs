//! The step of `action.yml`, and with it the downloads of `scripts/install.sh`, against a server of releases.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;
use testkit::release_server::{REPOSITORY, ReleaseServer};
use testkit::{fault, script};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const X86: &str = "x86_64-unknown-linux-gnu";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn shell(folder: &Path, text: &str) {
    let done = Command::new("sh").args(["-euc", text]).current_dir(folder).status().unwrap();
    assert!(done.success(), "{text}");
}

/// A runner, a copy of the action, and releases.
struct Runner {
    folder: TempDir,
}

impl Runner {
    fn new() -> Self {
        let runner = Self { folder: tempfile::tempdir().unwrap() };
        let here = runner.folder.path();
        for folder in ["action/scripts", "bin", "tool-cache", "temp", "releases"] {
            fs::create_dir_all(here.join(folder)).unwrap();
        }
        for file in
            ["action.yml", "Cargo.toml", "scripts/action.sh", "scripts/install.sh", "scripts/digests.txt"]
        {
            fs::copy(repository().join(file), here.join("action").join(file)).unwrap();
        }
        // A container with little more than a shell.
        for program in "sh mktemp rm mkdir dirname sed head tail awk cut tr cat cp chmod mv tar gzip sha256sum curl getent"
            .split(' ')
        {
            let found = ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(program));
            if let Some(found) = found.iter().find(|path| path.exists()) {
                symlink(found, here.join("bin").join(program)).unwrap();
            }
        }
        runner.machine("x86_64", "echo glibc 2.36");
        runner.publish(VERSION, X86);
        runner
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Says what machine this is.
    fn machine(&self, cpu: &str, libc: &str) {
        script::install(
            &self.path("bin/uname"),
            &format!("#!/bin/sh\n[ \"$1\" = -m ] && echo {cpu} || echo Linux\n"),
        );
        script::install(
            &self.path("bin/getconf"),
            &format!("#!/bin/sh\n[ \"$1\" = LONG_BIT ] && echo 64 && exit\n{libc}\n"),
        );
    }

    /// Puts a release for one target on the server.
    fn publish(&self, version: &str, target: &str) {
        let folder = self.path("releases").join(version);
        fs::create_dir_all(&folder).unwrap();
        shell(
            &folder,
            &format!(
                "name=dm-tools-{version}-{target}; mkdir -p $name/bin $name/share/dm-tools
                 cd $name/share; mkdir -p man/man1 bash-completion/completions zsh/site-functions fish/vendor_completions.d
                 for tool in dm-stage dm-health dm-smoke dm-migrate dm-rollback; do
                     printf '#!/bin/sh\\necho {{}} {version} \"(c0ffee, {target})\"\\n' | sed s/{{}}/$tool/ > ../bin/$tool
                     touch man/man1/$tool.1 bash-completion/completions/$tool zsh/site-functions/_$tool \
                         fish/vendor_completions.d/$tool.fish
                 done
                 cd ../..; chmod +x $name/bin/*; tar -czf $name.tar.gz $name; rm -r $name; sha256sum *.gz > SHA256SUMS"
            ),
        );
    }

    /// The archive on the server, or in the cache of the runner.
    fn archive(&self, place: &str) -> PathBuf {
        self.path(place).join(format!("dm-tools-{VERSION}-{X86}.tar.gz"))
    }

    /// Records the digests of the releases in the action.
    fn record_digests(&self) {
        let sums = self.path("releases").join(VERSION).join("SHA256SUMS");
        fs::copy(sums, self.path("action/scripts/digests.txt")).unwrap();
    }

    /// The step, as GitHub runs it.
    fn step(&self, server: &str, inputs: &[(&str, &str)]) -> Command {
        let action: serde_json::Value =
            serde_saphyr::from_str(&fs::read_to_string(self.path("action/action.yml")).unwrap()).unwrap();
        let step = &action["runs"]["steps"][0];
        let mut command = Command::new(step["shell"].as_str().unwrap());
        command.args(["-e", "-c", step["run"].as_str().unwrap()]).env_clear().current_dir(self.folder.path());
        command.env("PATH", self.path("bin")).env("HOME", self.folder.path());
        for (name, value) in step["env"].as_object().unwrap() {
            let input = value.as_str().unwrap().trim_start_matches("${{ ").trim_end_matches(" }}");
            let given = inputs.iter().find(|(given, _)| input == format!("inputs.{given}"));
            let of_github = if input == "github.action_repository" { REPOSITORY } else { "" };
            command.env(name, given.map_or(of_github, |(_, value)| value));
        }
        for (name, file) in [
            ("GITHUB_ACTION_PATH", "action"),
            ("RUNNER_TEMP", "temp"),
            ("RUNNER_TOOL_CACHE", "tool-cache"),
            ("GITHUB_OUTPUT", "output"),
            ("GITHUB_PATH", "path"),
        ] {
            command.env(name, self.path(file));
        }
        command.env("GITHUB_SERVER_URL", server).env("GITHUB_API_URL", server);
        command
    }

    fn run(&self, server: &str, inputs: &[(&str, &str)]) -> Output {
        for file in ["output", "path"] {
            let _ = fs::remove_file(self.path(file));
        }
        self.step(server, inputs).output().unwrap()
    }

    /// What the step has added to the PATH of later steps.
    fn folder_of_tools(&self) -> PathBuf {
        fs::read_to_string(self.path("path")).unwrap().trim_end().into()
    }

    /// Runs the step, which must work, and returns what later steps run as `dm-stage --version`.
    fn installs(&self, server: &str, inputs: &[(&str, &str)]) -> String {
        let output = self.run(server, inputs);
        assert!(output.status.success(), "{output:?}");
        let folder = fs::read_to_string(self.path("path")).unwrap();
        let version =
            Command::new(Path::new(folder.trim()).join("dm-stage")).arg("--version").output().unwrap();
        let outputs = fs::read_to_string(self.path("output")).unwrap();
        let (first, second) = outputs.trim_end().split_once('\n').unwrap();
        assert_eq!(second, format!("path={}", folder.trim()));
        let version = String::from_utf8(version.stdout).unwrap();
        assert_eq!(first.replace("version=", "dm-stage "), version.split(" (").next().unwrap());
        version
    }

    /// Runs the step, which must fail with this message, as an annotation too, and install nothing.
    fn refuses(&self, server: &str, inputs: &[(&str, &str)], message: &str) {
        let output = self.run(server, inputs);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && stderr.contains(message), "{message}: {output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).starts_with("::error title=dm-tools::install.sh: "));
        for file in ["path", "output"] {
            assert!(!self.path(file).exists(), "{message}: {file}");
        }
    }
}

#[test]
fn a_cold_runner_downloads_and_a_warm_one_only_asks_for_the_digest() {
    let runner = Runner::new();
    let server = ReleaseServer::start(&runner.path("releases"), None);
    let archive = format!("dm-tools-{VERSION}-{X86}.tar.gz");
    assert_eq!(runner.installs(&server.url, &[]), format!("dm-stage {VERSION} (c0ffee, {X86})\n"));
    assert_eq!(server.take_names(), ["SHA256SUMS", &archive]);
    runner.installs(&server.url, &[]);
    assert_eq!(server.take_names(), ["SHA256SUMS"]);
    assert!(server.heads().iter().all(|head| !head.to_lowercase().contains("authorization")));
}

#[test]
fn with_a_digest_in_the_action_a_warm_runner_needs_no_network() {
    let runner = Runner::new();
    runner.record_digests();
    let server = ReleaseServer::start(&runner.path("releases"), None);
    runner.installs(&server.url, &[("tools", "dm-stage, dm-health")]);
    assert_eq!(server.take_names(), [format!("dm-tools-{VERSION}-{X86}.tar.gz")]);
    let installed = runner.folder_of_tools().read_dir().unwrap();
    assert_eq!(installed.count(), 2, "only the tools that were asked for");
    runner.installs(&fault::refused(), &[("tools", "dm-stage dm-rollback")]);
}

#[test]
fn an_archive_that_was_tampered_with_is_rejected() {
    let runner = Runner::new();
    let server = ReleaseServer::start(&runner.path("releases"), None);
    let archive = runner.archive(&format!("releases/{VERSION}"));
    let genuine = fs::read(&archive).unwrap();
    let mut tampered = genuine.clone();
    *tampered.last_mut().unwrap() ^= 1;
    let write = |path: &Path, bytes: &[u8]| common::fs::atomic::write(path, bytes).unwrap();
    write(&archive, &tampered);
    runner.refuses(&server.url, &[], "is NOT what was released");

    // The digests of the release were changed with it: the action knows better.
    let sums = runner.path("releases").join(VERSION).join("SHA256SUMS");
    runner.record_digests();
    shell(sums.parent().unwrap(), "sha256sum *.gz > SHA256SUMS");
    runner.refuses(&server.url, &[], "digests.txt says");
    write(&archive, &genuine);

    // One in the cache is not used, and replaced.
    runner.installs(&server.url, &[]);
    write(&runner.archive("tool-cache/dm-tools"), &tampered);
    server.take_names();
    runner.installs(&server.url, &[]);
    assert_eq!(server.take_names().len(), 1, "it is downloaded again");
    assert_eq!(fs::read(runner.archive("tool-cache/dm-tools")).unwrap(), genuine);
}

#[test]
fn a_second_use_leaves_the_tools_of_the_first_in_place() {
    let runner = Runner::new();
    let server = ReleaseServer::start(&runner.path("releases"), None);
    runner.installs(&server.url, &[("tools", "dm-stage dm-health")]);
    let first = runner.folder_of_tools();
    runner.installs(&server.url, &[("tools", "dm-stage")]);
    let second = runner.folder_of_tools();
    assert!(first.join("dm-health").exists() && !second.join("dm-health").exists());
}

#[test]
fn a_release_that_is_not_there_is_named() {
    let runner = Runner::new();
    let server = ReleaseServer::start(&runner.path("releases"), None);
    runner.refuses(&server.url, &[("version", "99.0.0")], "404): is 99.0.0 a release");
    runner.refuses(&server.url, &[("version", "../../x")], "'../../x' is not a version");
    runner.refuses(&server.url, &[("tools", "dm-stage rm")], "unknown argument 'rm'");
    runner.refuses(&fault::refused(), &[], "cannot download http://127.0.0.1:");
    runner.refuses("http://example.com", &[], "is not a https URL");
    runner.publish("99.0.0", X86);
    let version = runner.installs(&server.url, &[("version", "v99.0.0")]);
    assert!(version.starts_with("dm-stage 99.0.0 "), "{version}");
}

#[test]
fn each_machine_gets_the_archive_that_runs_on_it() {
    let runner = Runner::new();
    let server = ReleaseServer::start(&runner.path("releases"), None);
    let old = "echo glibc 2.12";
    let musl = "echo 'getconf: GNU_LIBC_VERSION: unknown variable' >&2; exit 1";
    for (cpu, libc, target) in [
        ("x86_64", "echo glibc 2.17", X86),
        ("x86_64", old, "x86_64-unknown-linux-musl"),
        ("x86_64", musl, "x86_64-unknown-linux-musl"),
        ("aarch64", "echo glibc 2.36", "aarch64-unknown-linux-gnu"),
        ("arm64", "echo glibc 2.40", "aarch64-unknown-linux-gnu"),
        ("aarch64", musl, "aarch64-unknown-linux-musl"),
    ] {
        runner.machine(cpu, libc);
        runner.publish(VERSION, target);
        let version = runner.installs(&server.url, &[]);
        assert!(version.ends_with(&format!("{target})\n")), "{cpu} {libc}: {version}");
    }
    runner.machine("armv7l", "echo glibc 2.36");
    runner.refuses(&server.url, &[], "there is no release for armv7l");
}

#[test]
fn a_private_repository_is_read_with_the_token() {
    let runner = Runner::new();
    let server = ReleaseServer::start(&runner.path("releases"), Some("tok-hunter2"));
    runner.refuses(&server.url, &[], "404");
    runner.installs(&server.url, &[("token", "tok-hunter2")]);
    let plain = |head: &&String| head.contains("/download/");
    assert!(server.heads().iter().filter(plain).all(|head| !head.contains("hunter2")));
    let output = runner.run(&server.url, &[("token", "tok-hunter3"), ("version", "99.0.0")]);
    assert!(!output.status.success() && !format!("{output:?}").contains("hunter3"), "{output:?}");
}

#[test]
fn the_attestation_decides_if_the_action_does_not_know_the_digest() {
    let runner = Runner::new();
    let server = ReleaseServer::start(&runner.path("releases"), None);
    let gh = |attested: &str| {
        let text = format!(
            "#!/bin/sh\necho \"$*\" >> \"{}\"\n[ \"$1\" = auth ] || {attested}\n",
            runner.path("gh.log").display()
        );
        script::install(&runner.path("bin/gh"), &text);
    };
    gh("true");
    runner.installs(&server.url, &[("token", "t")]);
    let asked = fs::read_to_string(runner.path("gh.log")).unwrap();
    assert!(
        asked.contains("--repo team/dm --signer-workflow team/dm/.github/workflows/release.yml"),
        "{asked}"
    );
    gh("{ echo 'no attestations found'; exit 1; }");
    runner.refuses(
        &server.url,
        &[],
        "is not attested by the release workflow of team/dm: no attestations found",
    );
    runner.record_digests();
    runner.installs(&server.url, &[]);
}
