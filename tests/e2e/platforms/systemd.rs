//! Another systemd, for a real unit.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use testkit::server::eventually;

/// A systemd in namespaces of its own.
pub(super) struct Systemd {
    child: Child,
    /// The id of its process 1.
    pub(super) id: u32,
}

impl Systemd {
    /// Starts one that runs this unit; otherwise says why there can be none. Another one would own the control groups.
    pub(super) fn start(unit: &Path) -> Result<Self, &'static str> {
        let is_possible = nix::unistd::geteuid().is_root()
            && Path::new("/lib/systemd/systemd").exists()
            && !Path::new("/run/systemd/system").exists();
        if !is_possible {
            return Err("another systemd needs root, and a machine whose process 1 is not systemd");
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/platforms/systemd.sh");
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "--uts", "--cgroup"]);
        command.arg(script).arg(unit).env("container", "test").stdin(Stdio::null());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let children = format!("/proc/{0}/task/{0}/children", child.id());
        let id = eventually("systemd has started its unit", || {
            if child.try_wait().unwrap().is_some() {
                return Ok(None);
            }
            let text = std::fs::read_to_string(&children).map_err(|error| error.to_string())?;
            let id: u32 = text.trim().parse().map_err(|_| "unshare has no child yet".to_owned())?;
            let mut show = Command::new("nsenter");
            show.args(["--target", &id.to_string(), "--all", "systemctl", "is-active", "shop.service"]);
            let output = show.output().unwrap();
            let state = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
            if state.trim() == "active" { Ok(Some(id)) } else { Err(state.into_owned()) }
        });
        let id = id.ok_or("this machine has no namespaces for another systemd")?;
        Ok(Self { child, id })
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        // With its process 1, everything in the namespace ends.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let clean = "find /sys/fs/cgroup -depth -type d -name shop.service -exec rmdir {} +";
        let _ = Command::new("sh").args(["-c", clean]).stderr(Stdio::null()).status();
    }
}
