//! Explains why a command could not be started.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use nix::errno::Errno;

use common::event::Reason;
use common::exit::Exit;

/// The reason why a child could not be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartError {
    /// 126 or 127, as a shell exits; 125 if the command is not to blame.
    pub exit: Exit,
    /// The reason, as a label.
    pub reason: Reason,
    /// The explanation: what failed, on what, why.
    pub message: String,
}

impl StartError {
    /// A failure for which the command is not to blame.
    pub fn wrapper_fault(message: String) -> Self {
        Self { exit: Exit::WrapperFault, reason: Reason::Other, message }
    }
}

/// Explains why `program` could not be started. Names the true cause: the kernel also says "no such file" if the
/// interpreter, a directory of the path, or the working directory is missing.
pub fn explain(program: &OsStr, error: &io::Error) -> StartError {
    let path = Path::new(program);
    let name = path.display();
    let has_folder = path.components().count() > 1;
    let os_error = error.raw_os_error().map(Errno::from_raw);
    let (exit, message) = match error.kind() {
        ErrorKind::NotFound if has_folder && path.exists() => {
            let line = interpreter_line(path).unwrap_or_default();
            let message = match line.strip_suffix('\r') {
                Some(line) => format!(
                    "{name}: it has the line ends of Windows, so its interpreter is {:?}; run sed -i 's/\\r$//' on it",
                    format!("{}\r", line.trim_start())
                ),
                None => format!("{name}: its interpreter {} is missing", line.trim()),
            };
            (Exit::NotFound, message)
        }
        ErrorKind::NotFound if !Path::new(".").exists() => {
            (Exit::NotFound, format!("{name}: the working directory no longer exists"))
        }
        ErrorKind::NotFound if has_folder => match missing_folder(path) {
            Some(folder) => {
                (Exit::NotFound, format!("{name}: directory {} does not exist", folder.display()))
            }
            None => (Exit::NotFound, format!("{name}: no such file")),
        },
        ErrorKind::NotFound => (Exit::NotFound, format!("{name}: not found in PATH")),
        ErrorKind::NotADirectory => (Exit::NotFound, format!("{name}: part of its path is not a directory")),
        ErrorKind::PermissionDenied if path.is_dir() => {
            (Exit::NotExecutable, format!("{name}: is a directory"))
        }
        ErrorKind::PermissionDenied if has_folder && path.is_file() => {
            (Exit::NotExecutable, format!("{name}: is not executable; run chmod +x on it"))
        }
        _ => match os_error {
            Some(Errno::ENOEXEC) => {
                (Exit::NotExecutable, format!("{name}: is neither a program nor a script with a #! line"))
            }
            Some(Errno::ETXTBSY) => {
                (Exit::NotExecutable, format!("{name}: is being written to by another process"))
            }
            Some(Errno::E2BIG) => {
                (Exit::NotExecutable, format!("{name}: its arguments and the environment are too long"))
            }
            // Out of memory, processes or descriptors: the command is not to blame.
            Some(Errno::EAGAIN | Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE) => {
                return StartError::wrapper_fault(format!("cannot run {name}: {error}"));
            }
            _ => (Exit::NotExecutable, format!("{name}: {error}")),
        },
    };
    let reason = if exit == Exit::NotFound { Reason::NotFound } else { Reason::NotExecutable };
    StartError { exit, reason, message: format!("cannot run {message}") }
}

/// The first directory of `path` that does not exist.
fn missing_folder(path: &Path) -> Option<&Path> {
    let folders = path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
    folders.take_while(|folder| !folder.exists()).last()
}

/// The text after `#!`, with all of its white space.
fn interpreter_line(path: &Path) -> Option<String> {
    let mut start = Vec::new();
    File::open(path).ok()?.take(256).read_to_end(&mut start).ok()?;
    let line = start.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    Some(String::from_utf8_lossy(line).into_owned())
}
