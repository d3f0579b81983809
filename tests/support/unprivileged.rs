//! The user `nobody`, for servers that refuse to run as root.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use nix::unistd::{User, geteuid};
use tempfile::TempDir;

/// A new folder that such a server may write to.
pub(crate) fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    give_away(folder.path());
    folder
}

/// Copies a file so that only such a server may read the copy.
pub(crate) fn copy(file: &Path, copy: &Path) {
    fs::copy(file, copy).unwrap();
    fs::set_permissions(copy, Permissions::from_mode(0o600)).unwrap();
    give_away(copy);
}

/// A command that does not run as root. It may read what root may: the server can be unpacked in a folder that only root
/// may enter.
pub(crate) fn command(program: &Path) -> Command {
    let Some(user) = user() else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={}", user.uid)).arg(format!("--regid={}", user.gid));
    // PostgreSQL looks for its own files with access(2), which respects the capability below only with this bit.
    command.args(["--clear-groups", "--securebits=+no_setuid_fixup"]);
    command.args(["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]);
    command.arg(program);
    command
}

/// The name of the user; `None` if the tests do not run as root, and servers run as the tests do.
pub(crate) fn user_name() -> Option<String> {
    user().map(|user| user.name)
}

fn give_away(path: &Path) {
    if let Some(user) = user() {
        chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
    }
}

fn user() -> Option<User> {
    geteuid().is_root().then(|| User::from_name("nobody").unwrap().unwrap())
}
