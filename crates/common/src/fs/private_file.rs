//! The files of a [`PrivateDir`].

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Error, ErrorKind, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fchmod, fstat, fsync, renameat, statat, unlinkat};
use rustix::io::Errno;

use super::bounded;
use super::lock::Lock;
use super::private_dir::{PrivateDir, check, refused};
use crate::identity::random_hex;

/// Only this user may read or write.
const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);

impl PrivateDir {
    /// Opens the file `name` to read it; `None` if it does not exist.
    ///
    /// # Errors
    /// It cannot be opened, belongs to somebody else, or is not a regular file.
    pub fn open_file(&self, name: &str) -> io::Result<Option<File>> {
        self.open_with(name, OFlags::RDONLY)
    }

    /// Opens the file `name` to read it and to append to it, and creates it if necessary.
    ///
    /// # Errors
    /// Those of [`PrivateDir::open_file`], or it cannot be created.
    pub fn open_to_append(&self, name: &str) -> io::Result<File> {
        let opened = self.open_with(name, OFlags::RDWR | OFlags::APPEND | OFlags::CREATE)?;
        opened.ok_or_else(|| ErrorKind::NotFound.into())
    }

    /// The content of the file `name`; `None` if it does not exist.
    ///
    /// # Errors
    /// Those of [`PrivateDir::open_file`], or it has more than `max` bytes.
    pub fn read(&self, name: &str, max: u64) -> io::Result<Option<Vec<u8>>> {
        self.open_file(name)?.map(|file| bounded::read_to_end(file, &self.path(name), max)).transpose()
    }

    /// Replaces the file `name`: a reader never sees half of it. A link is replaced, not followed.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.replace_after(name, bytes, File::sync_all)
    }

    /// Like [`PrivateDir::replace`], for what nobody misses after a power failure: it waits for no disk.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn replace_unsynced(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.replace_after(name, bytes, |_| Ok(()))
    }

    fn replace_after(&self, name: &str, bytes: &[u8], sync: fn(&File) -> io::Result<()>) -> io::Result<()> {
        let draft = format!(".dm-{}.tmp", random_hex(8));
        let written = self.create_file(&draft, bytes).and_then(|file| {
            sync(&file)?;
            self.rename(&draft, name)
        });
        if written.is_err() {
            let _ = self.remove(&draft);
        }
        written
    }

    /// Creates the file `name`, which must not exist. A reader may see half of it.
    ///
    /// # Errors
    /// The file exists, or the folder cannot be written.
    pub fn create_file(&self, name: &str, bytes: &[u8]) -> io::Result<File> {
        let opened = self.open_with(name, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)?;
        let mut file = opened.ok_or(ErrorKind::NotFound)?;
        file.write_all(bytes)?;
        Ok(file)
    }

    /// Renames the file `from` to `to`, and replaces `to`.
    ///
    /// # Errors
    /// `from` does not exist, or the folder cannot be written.
    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(renameat(&self.folder, from, &self.folder, to)?)
    }

    /// Moves the file `from` to the folder `other`, as `to`, which is replaced.
    ///
    /// # Errors
    /// `from` does not exist, or one of the folders cannot be written.
    pub fn move_to(&self, from: &str, other: &Self, to: &str) -> io::Result<()> {
        Ok(renameat(&self.folder, from, &other.folder, to)?)
    }

    /// Removes the file `name`.
    ///
    /// # Errors
    /// It does not exist, or the folder cannot be written.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        Ok(unlinkat(&self.folder, name, AtFlags::empty())?)
    }

    /// Whether there is anything of this name, a link that leads nowhere included.
    ///
    /// # Errors
    /// The folder cannot be searched.
    pub fn has(&self, name: &str) -> io::Result<bool> {
        match statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The names in the folder, sorted. Names that are not UTF-8 are not ours.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.folder)? {
            let name = OsStr::from_bytes(entry?.file_name().to_bytes()).to_str().map(str::to_owned);
            names.extend(name.filter(|name| name != "." && name != ".."));
        }
        names.sort();
        Ok(names)
    }

    /// Waits until the names of new files would survive a power failure.
    ///
    /// # Errors
    /// The file system reports an error.
    pub fn sync(&self) -> io::Result<()> {
        Ok(fsync(&self.folder)?)
    }

    /// Acquires the lock `name`; waits for at most `limit`, and only briefly once a signal asks this process to end.
    ///
    /// # Errors
    /// The lock file cannot be used, or the wait was too long. The kind is then [`ErrorKind::TimedOut`].
    pub fn lock(&self, name: &str, limit: Duration) -> io::Result<Lock> {
        Lock::acquire(self.lock_file(name)?, &self.path(name), limit)
    }

    /// Acquires the lock `name`; `None` if another process has it.
    ///
    /// # Errors
    /// The lock file cannot be used.
    pub fn try_lock(&self, name: &str) -> io::Result<Option<Lock>> {
        Lock::try_acquire(self.lock_file(name)?)
    }

    /// Who may only read a lock file can lock it, and stop us: it is private too.
    fn lock_file(&self, name: &str) -> io::Result<File> {
        self.open_to_append(name)
    }

    fn open_with(&self, name: &str, flags: OFlags) -> io::Result<Option<File>> {
        // Opening a pipe would wait for its other end.
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let path = || self.path(name);
        let file = match rustix::fs::openat(&self.folder, name, flags, PRIVATE) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => {
                return Err(refused(format!(
                    "{} is a link, which is not followed: remove it",
                    path().display()
                )));
            }
            Err(Errno::NXIO) => return Err(bounded::not_a_file(&path())),
            Err(error) => return Err(Error::from(error)),
        };
        let stat = fstat(&file)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(bounded::not_a_file(&path()));
        }
        check(&stat, &path())?;
        if stat.st_mode & 0o077 != 0 {
            // An older version of the tools created it. If this fails, others can read it.
            let _ = fchmod(&file, PRIVATE);
        }
        Ok(Some(file))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn files_are_private_and_an_old_one_becomes_so() {
        let temp = tempfile::tempdir().unwrap();
        let folder = PrivateDir::create(temp.path(), &[]).unwrap();
        folder.replace("new", b"1").unwrap();
        File::create(temp.path().join("old")).unwrap();
        fs::set_permissions(temp.path().join("old"), Permissions::from_mode(0o644)).unwrap();
        drop(folder.try_lock("old").unwrap());
        assert_eq!(folder.read("new", 9).unwrap().unwrap(), b"1");
        assert_eq!(folder.names().unwrap(), ["new", "old"]);
        for name in ["new", "old"] {
            let mode = temp.path().join(name).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn links_are_replaced_and_never_followed() {
        let temp = tempfile::tempdir().unwrap();
        let folder = PrivateDir::create(temp.path(), &[]).unwrap();
        folder.replace("victim", b"as it was").unwrap();
        symlink("victim", temp.path().join("link")).unwrap();
        for refused in [folder.open_to_append("link").map(drop), folder.read("link", 9).map(drop)] {
            let error = refused.unwrap_err().to_string();
            assert!(error.contains("link is a link"), "{error}");
        }
        assert!(folder.has("link").unwrap());
        folder.replace("link", b"new").unwrap();
        assert_eq!(folder.read("link", 9).unwrap().unwrap(), b"new");
        assert_eq!(folder.read("victim", 9).unwrap().unwrap(), b"as it was");
    }

    #[test]
    fn a_pipe_is_no_file_and_a_large_file_is_not_read() {
        let temp = tempfile::tempdir().unwrap();
        let folder = PrivateDir::create(temp.path(), &[]).unwrap();
        nix::unistd::mkfifo(&temp.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        for refused in [folder.open_to_append("pipe").map(drop), folder.read("pipe", 9).map(drop)] {
            let error = refused.unwrap_err().to_string();
            assert!(error.contains("pipe is not a regular file"), "{error}");
        }
        folder.open_to_append("large").unwrap().set_len(1 << 40).unwrap();
        let error = folder.read("large", 9).unwrap_err().to_string();
        assert!(error.contains("large has more than 9 bytes"), "{error}");
    }
}
