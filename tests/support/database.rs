//! What a PostgreSQL and a MariaDB of the tests have in common.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bin;

/// The password of every role and account that the tests create.
pub const PASSWORD: &str = "s3cr3t-of-the-tests";

/// The program at the first of these paths that exists.
pub(crate) fn find_program(name: &str, paths: impl IntoIterator<Item = PathBuf>) -> PathBuf {
    let found = paths.into_iter().find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{name} is not there: ./scripts/test.sh installs it"))
}

/// Removes the environment of the tests from a command that runs `program`, and adds the libraries that were unpacked
/// with it: the machine may not have them.
pub(crate) fn isolate(mut command: Command, program: &Path) -> Command {
    command.env_clear().env("PATH", "/usr/bin:/bin").current_dir("/");
    if program.starts_with(bin::servers()) {
        command.env("LD_LIBRARY_PATH", bin::libraries());
    }
    command
}

/// The output of a client that runs `statement`, without the newline at its end.
#[expect(clippy::disallowed_methods, reason = "a database client starts no process that could hold the pipe")]
pub(crate) fn query(mut client: Command, statement: &str) -> String {
    let output = client.output().unwrap();
    assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}
