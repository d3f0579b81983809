//! docker.sh for real: a Docker engine and a registry in namespaces of their own.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use testkit::bin::Machine;
use testkit::port::ReservedPort;
use testkit::script::install;
use testkit::server::eventually;

use super::scripts;

/// The programs that `scripts/test.sh` has unpacked.
fn programs() -> PathBuf {
    testkit::bin::build().join("test-servers/docker")
}

/// An engine, a registry with two versions of an image, and a container.
struct Engine {
    machine: Machine,
    port: ReservedPort,
    child: Child,
}

impl Engine {
    /// Otherwise says why this machine can have none.
    fn start() -> Result<Self, &'static str> {
        if !nix::unistd::geteuid().is_root() || !programs().join("dockerd").exists() {
            return Err("a Docker engine needs root, and the programs that scripts/test.sh installs");
        }
        let (machine, port) = (Machine::new(), ReservedPort::new());
        let plugins = machine.folder().join("cli-plugins");
        std::fs::create_dir(&plugins).unwrap();
        let compose =
            testkit::bin::build().join("test-servers/forky/usr/libexec/docker/cli-plugins/docker-compose");
        symlink(compose, plugins.join("docker-compose")).unwrap();
        let path =
            format!("{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", programs().display());
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("e2e/platforms/docker.sh");
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--kill-child", "--mount", "--mount-proc"]).arg(script);
        command.arg(machine.folder()).arg(port.address()).env("PATH", path);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut engine = Self { machine, port, child: command.spawn().unwrap() };
        let answers = eventually("a Docker engine answers", || {
            if engine.child.try_wait().unwrap().is_some() {
                return Ok(false);
            }
            let (code, text) = engine.docker("docker version");
            if code == Some(0) { Ok(true) } else { Err(text) }
        });
        if answers { Ok(engine) } else { Err("this machine has no namespaces for a Docker engine") }
    }

    /// Runs a shell command with the engine's CLI on PATH, and the settings of docker.sh.
    fn docker(&self, script: &str) -> (Option<i32>, String) {
        self.docker_with(script, &[])
    }

    fn docker_with(&self, script: &str, variables: &[(&str, &str)]) -> (Option<i32>, String) {
        let folder = self.machine.folder();
        let mut command = self.machine.shell(script);
        command.env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", programs().display()));
        command.env("DOCKER_HOST", format!("unix://{}/docker.sock", folder.display()));
        command.env("DOCKER_CONFIG", folder);
        command.env("DOCKER_CONTAINER", "web").env("DOCKER_RUN", folder.join("replace"));
        command.env("DOCKER_TIMEOUT", "60").env("DOCKER_INTERVAL", "0.2").env("IMAGE", self.image());
        let output = command.envs(variables.iter().copied()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    }

    /// An engine with two images in its registry.
    fn with_images() -> Result<Self, &'static str> {
        let engine = Self::start()?;
        // The registry may start after the engine.
        eventually("two images in the registry", || {
            let (code, text) = engine.docker(PUSH);
            if code == Some(0) { Ok(()) } else { Err(text) }
        });
        Ok(engine)
    }

    fn image(&self) -> String {
        format!("{}/shop", self.port.address())
    }

    /// Calls docker.sh.
    fn script(&self, argument: &str, variables: &[(&str, &str)]) -> (Option<i32>, String) {
        self.docker_with(&format!("exec '{}/docker.sh' {argument}", scripts().display()), variables)
    }

    fn version(&self) -> String {
        self.docker("docker exec web /bin/busybox cat /version").1
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.docker("docker rm --force $(docker ps --all --quiet)");
        // With process 1 of its namespace, everything ends.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Pushes the versions 1 and 2 of an image that has nothing but busybox.
const PUSH: &str = r#"set -eu
mkdir -p image/bin
cp "$(command -v busybox)" image/bin/
for version in 1 2; do
    echo $version > image/version
    tar -C image -c . | docker import --change 'CMD ["/bin/busybox", "sleep", "1000"]' - "$IMAGE:$version"
    docker push --quiet "$IMAGE:$version"
done"#;

const REPLACE: &str = "#!/bin/bash\ndocker rm --force web > /dev/null 2>&1\nexec docker run --detach --name web --network host \"${FORCED:-$1}\"\n";

#[test]
fn docker_on_a_real_engine_with_a_registry() {
    let engine = match Engine::with_images() {
        Ok(engine) => engine,
        Err(reason) => return println!("skipped: {reason}"),
    };
    install(&engine.machine.folder().join("replace"), REPLACE);
    assert_eq!(engine.docker("./replace $IMAGE:1").0, Some(0));
    let (code, good) = engine.script("current", &[]);
    assert!(code == Some(0) && good.starts_with(&format!("{}@sha256:", engine.image())), "{good}");
    let good = good.trim();
    assert_eq!(engine.docker("./replace $IMAGE:2").0, Some(0));
    assert_ne!(engine.script("current", &[]).1.trim(), good);

    let (code, text) = engine.script("", &[("DM_ROLLBACK_RELEASE", good)]);
    assert!(code == Some(0) && text.ends_with(&format!("{good} is live\n")), "{text}");
    assert_eq!(engine.version(), "1\n");
    let (code, text) = engine.script("", &[("DM_ROLLBACK_RELEASE", good)]);
    assert_eq!((code, text), (Some(0), format!("{good} is already live\n")));

    // Another image comes back.
    let forced = format!("{}:2", engine.image());
    assert_eq!(engine.docker("./replace $IMAGE:2").0, Some(0));
    let variables = [("DM_ROLLBACK_RELEASE", good), ("FORCED", &forced), ("DOCKER_TIMEOUT", "2")];
    let (code, text) = engine.script("", &variables);
    assert!(code == Some(1) && text.contains("is not live after 2 s: the containers run sha256:"), "{text}");

    // An image that is in no registry.
    let gone = format!("{}@sha256:{}", engine.image(), "0".repeat(64));
    let (code, text) = engine.script("", &[("DM_ROLLBACK_RELEASE", &gone)]);
    assert!(code == Some(1) && text.contains("in its registry any more, nothing was changed"), "{text}");
    assert_eq!(engine.version(), "2\n");

    // A container that has ended.
    assert_eq!(engine.docker("docker stop --time 0 web").0, Some(0));
    let (code, text) = engine.script("current", &[]);
    assert!(code == Some(1) && text.contains("a container is exited"), "{text}");
    assert_eq!(engine.script("", &[("DM_ROLLBACK_RELEASE", good)]).0, Some(0));
    assert_eq!(engine.version(), "1\n");
}

/// The engine has no networks.
const COMPOSE: &str =
    "services:\n  api:\n    image: ${API_IMAGE}\n    network_mode: host\n    stop_grace_period: 0s\n";

#[test]
fn docker_with_a_real_compose() {
    let engine = match Engine::with_images() {
        Ok(engine) => engine,
        Err(reason) => return println!("skipped: {reason}"),
    };
    common::fs::atomic::write(&engine.machine.folder().join("compose.yaml"), COMPOSE.as_bytes()).unwrap();
    let settings = [
        ("COMPOSE_SERVICE", "api"),
        ("COMPOSE_PATH", "compose.yaml"),
        ("COMPOSE_IMAGE_VARIABLE", "API_IMAGE"),
    ];
    let deploy = |version: &str| {
        let up = format!("API_IMAGE=$IMAGE:{version} docker compose up --detach --wait --pull always api");
        let (code, text) = engine.docker(&up);
        assert_eq!(code, Some(0), "{text}");
    };
    let current = || engine.script("current", &settings);
    let roll_back =
        |release: &str| engine.script("", &[&settings[..], &[("DM_ROLLBACK_RELEASE", release)]].concat());
    let version = || engine.docker("docker exec $(docker ps --quiet) /bin/busybox cat /version").1;

    let (code, text) = current();
    assert!(code == Some(1) && text.contains("there is no container"), "{text}");
    deploy("1");
    let (code, good) = current();
    assert!(code == Some(0) && good.starts_with(&format!("{}@sha256:", engine.image())), "{good}");
    let good = good.trim();
    deploy("2");
    assert_ne!(current().1.trim(), good);
    let (code, text) = roll_back(good);
    assert!(code == Some(0) && text.contains(&format!("{good} is live\n")), "{text}");
    assert_eq!((current().1.trim(), version().as_str()), (good, "1\n"));
    let (code, text) = roll_back(good);
    assert!(code == Some(0) && text.ends_with(&format!("{good} is already live\n")), "{text}");

    // An image that is in no registry.
    deploy("2");
    let gone = format!("{}@sha256:{}", engine.image(), "0".repeat(64));
    let (code, text) = roll_back(&gone);
    assert!(code == Some(1) && text.contains("in its registry any more, nothing was changed"), "{text}");
    assert_eq!(version(), "2\n");

    // A service that has ended.
    assert_eq!(engine.docker("docker stop --time 0 $(docker ps --quiet)").0, Some(0));
    let (code, text) = current();
    assert!(code == Some(1) && text.contains("a container is exited"), "{text}");
    assert_eq!(roll_back(good).0, Some(0));
    assert_eq!(version(), "1\n");
}
