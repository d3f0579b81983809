//! Files that are replaced in one step: a reader never sees half of one.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::Builder;

/// Replaces the file at `path` with `bytes`: writes a temporary file in the same folder and renames it. Follows a link.
/// Appends to a device or a pipe, such as `/dev/stdout`, instead of replacing it.
///
/// The mode is 0644 because a scraper under another user reads some of these files. The temporary name starts with a dot
/// and has another extension than the target, so a glob such as `*.prom` never matches it.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let existing = fs::metadata(path).ok();
    if path.starts_with("/dev") || existing.as_ref().is_some_and(|file| !file.is_file() && !file.is_dir()) {
        return OpenOptions::new().append(true).open(path)?.write_all(bytes);
    }
    let path = &existing.and_then(|_| path.canonicalize().ok()).unwrap_or_else(|| path.to_owned());
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut file = Builder::new()
        .prefix(".dm-")
        .suffix(".tmp")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_pipes_are_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link, pipe] = ["file", "link", "pipe"].map(|name| folder.path().join(name));
        write(&file, b"before").unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        write(&link, b"after").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"after");

        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        // Open at both ends, so that neither open blocks.
        let mut both = OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
        write(&pipe, b"text").unwrap();
        let mut text = [0; 4];
        io::Read::read_exact(&mut both, &mut text).unwrap();
        assert_eq!(&text, b"text");
        assert!(!pipe.metadata().unwrap().is_file());
    }

    #[test]
    fn replaces_the_whole_file_and_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.prom");
        write(&path, b"a long first text").unwrap();
        write(&path, b"short").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"short");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }
}
