//! Scripts that a test writes and then starts.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Writes a script that can be started at once.
///
/// Another process writes it. If this one did, a child that another test forks at that moment would have the file open
/// for writing, and the script could not be started: "text file busy", until the child has started its own program.
pub fn install(path: &Path, text: &str) {
    let mut writer = Command::new("sh");
    writer
        .args(["-c", "cat > \"$0\" && chmod 755 \"$0\""])
        .arg(path)
        .env_clear()
        .env("PATH", "/usr/bin:/bin");
    let mut writer = writer.stdin(Stdio::piped()).spawn().unwrap();
    writer.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(writer.wait().unwrap().success(), "{}", path.display());
}
