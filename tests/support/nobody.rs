//! Whom a server runs as that refuses to run as root.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use nix::unistd::{User, geteuid};
use tempfile::TempDir;

/// A new folder that such a server may write to.
pub(crate) fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    if let Some(nobody) = instead_of_root() {
        chown(folder.path(), Some(nobody.uid.as_raw()), Some(nobody.gid.as_raw())).unwrap();
    }
    folder
}

/// A copy of a file that only such a server may read.
pub(crate) fn give(file: &Path, copy: &Path) {
    fs::copy(file, copy).unwrap();
    fs::set_permissions(copy, Permissions::from_mode(0o600)).unwrap();
    if let Some(nobody) = instead_of_root() {
        chown(copy, Some(nobody.uid.as_raw()), Some(nobody.gid.as_raw())).unwrap();
    }
}

/// A command, not as root. It may read what root may: the server can be unpacked below a folder that only root enters.
pub(crate) fn command(program: &Path) -> Command {
    let Some(nobody) = instead_of_root() else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={}", nobody.uid)).arg(format!("--regid={}", nobody.gid));
    // access(2), by which PostgreSQL looks for its own parts, heeds the right of nobody only with this bit.
    command.args(["--clear-groups", "--securebits=+no_setuid_fixup"]);
    command.args(["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]);
    command.arg(program);
    command
}

/// The name of who it runs as; `None` where the tests do not run as root, and everything runs as they do.
pub(crate) fn name() -> Option<String> {
    instead_of_root().map(|nobody| nobody.name)
}

fn instead_of_root() -> Option<User> {
    geteuid().is_root().then(|| User::from_name("nobody").unwrap().unwrap())
}
