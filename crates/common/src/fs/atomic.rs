//! Files that a reader never sees half of.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::Builder;

/// Replaces the file at `path` with `bytes`, by a temporary file in the same folder and a rename. A link is followed; a
/// device or a pipe, such as `/dev/stdout`, is written to: it is there for others too.
///
/// The mode is 0644: a scraper under another user reads some of these files. The temporary name starts
/// with a dot and does not end like the target, so that a glob such as `*.prom` never sees it.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let there = fs::metadata(path).ok();
    if path.starts_with("/dev") || there.as_ref().is_some_and(|there| !there.is_file() && !there.is_dir()) {
        return OpenOptions::new().append(true).open(path)?.write_all(bytes);
    }
    let path = &there.and_then(|_| path.canonicalize().ok()).unwrap_or_else(|| path.to_owned());
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
    fn a_link_and_a_pipe_stay_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link, pipe] = ["file", "link", "pipe"].map(|name| folder.path().join(name));
        write(&file, b"before").unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        write(&link, b"after").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"after");

        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        // Open at both ends, so that nobody waits for anybody.
        let mut both = OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
        write(&pipe, b"told").unwrap();
        let mut told = [0; 4];
        io::Read::read_exact(&mut both, &mut told).unwrap();
        assert_eq!(&told, b"told");
        assert!(!pipe.metadata().unwrap().is_file());
    }

    #[test]
    fn replaces_the_whole_file_readable_by_others_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.prom");
        write(&path, b"a long first text").unwrap();
        write(&path, b"short").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"short");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }
}
