//! A folder that belongs to this user alone. What is in it decides what the tools do, so nobody else may have written it.

use std::fs::DirBuilder;
use std::io::{self, Error, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use rustix::fs::{CWD, Mode, OFlags, Stat, fchmod, fstat, mkdirat, openat};
use rustix::io::Errno;

/// The bits of a mode that let others write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// The bits of a mode that let others do anything.
const OPEN_TO_OTHERS: u32 = 0o077;

/// An open folder of this user, to which nobody else can write. Its files are opened relative to it, and links in it are
/// not followed: whatever happens to its path, nothing outside is read or written.
#[derive(Debug)]
pub struct PrivateDir {
    pub(super) folder: OwnedFd,
    pub(super) path: PathBuf,
}

impl PrivateDir {
    /// Opens the folder `folders` below `root`; `None` if it does not exist. `root` itself may be a link, and others may
    /// read it.
    ///
    /// # Errors
    /// It cannot be opened, or one of the folders belongs to somebody else or can be written by others.
    pub fn open(root: &Path, folders: &[&str]) -> io::Result<Option<Self>> {
        let Some(mut opened) = Self::open_root(root)? else { return Ok(None) };
        for name in folders {
            let Some(below) = opened.open_folder(name)? else { return Ok(None) };
            opened = below;
        }
        Ok(Some(opened))
    }

    /// Opens the folder `folders` below `root`, and creates what is missing, for this user only.
    ///
    /// # Errors
    /// Those of [`PrivateDir::open`], or it cannot be created.
    pub fn create(root: &Path, folders: &[&str]) -> io::Result<Self> {
        let mut opened = if let Some(opened) = Self::open_root(root)? {
            opened
        } else {
            DirBuilder::new().recursive(true).mode(0o700).create(root)?;
            Self::open_root(root)?.ok_or(ErrorKind::NotFound)?
        };
        for name in folders {
            opened = if let Some(below) = opened.open_folder(name)? {
                below
            } else {
                match mkdirat(&opened.folder, *name, Mode::RWXU) {
                    Ok(()) | Err(Errno::EXIST) => opened.open_folder(name)?.ok_or(ErrorKind::NotFound)?,
                    Err(error) => return Err(error.into()),
                }
            };
        }
        Ok(opened)
    }

    /// The path of the file `name`, for messages.
    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn open_root(path: &Path) -> io::Result<Option<Self>> {
        match openat(CWD, path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(folder) => {
                let stat = fstat(&folder)?;
                check(&stat, path)?;
                Ok(Some(Self { folder, path: path.to_owned() }))
            }
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn open_folder(&self, name: &str) -> io::Result<Option<Self>> {
        let path = self.path.join(name);
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = match openat(&self.folder, name, flags, Mode::empty()) {
            Ok(folder) => folder,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::NOTDIR | Errno::LOOP) => {
                return Err(refused(format!(
                    "{} is a link or a file where a folder should be: remove it",
                    path.display()
                )));
            }
            Err(error) => return Err(error.into()),
        };
        let stat = fstat(&folder)?;
        check(&stat, &path)?;
        if stat.st_mode & OPEN_TO_OTHERS != 0 {
            // An older version of the tools created it. If this fails, others see the names of its files.
            let _ = fchmod(&folder, Mode::RWXU);
        }
        Ok(Some(Self { folder, path }))
    }
}

/// Checks that the folder or the file is ours alone to write.
pub(super) fn check(stat: &Stat, path: &Path) -> io::Result<()> {
    let (owner, us) = (stat.st_uid, geteuid().as_raw());
    if owner != us {
        return Err(refused(format!(
            "{} belongs to user {owner}, and this runs as user {us}: what others may have written is not used; use \
             a folder of your own (DM_STATE_DIR, or file:// in DM_STATE_URL)",
            path.display()
        )));
    }
    if stat.st_mode & WRITABLE_BY_OTHERS != 0 {
        return Err(refused(format!(
            "others can write to {} (mode {:04o}), so what is in it is not used: check it, and run chmod -R go-w on it",
            path.display(),
            stat.st_mode & 0o7777
        )));
    }
    Ok(())
}

pub(super) fn refused(message: String) -> Error {
    Error::new(ErrorKind::PermissionDenied, message)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn every_folder_that_is_created_is_private() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("a/state");
        assert!(PrivateDir::open(&root, &["outbox"]).unwrap().is_none());
        PrivateDir::create(&root, &["outbox", "group"]).unwrap();
        for folder in ["a", "a/state", "a/state/outbox", "a/state/outbox/group"] {
            assert_eq!(mode(&temp.path().join(folder)), 0o700, "{folder}");
        }
        assert!(PrivateDir::open(&root, &["outbox", "group"]).unwrap().is_some());
    }

    #[test]
    fn a_folder_of_an_older_version_is_made_private_and_one_that_others_write_to_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let [root, below] = ["state", "state/outbox"].map(|name| temp.path().join(name));
        fs::create_dir_all(&below).unwrap();
        for folder in [&root, &below] {
            fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
        }
        PrivateDir::create(&root, &["outbox"]).unwrap();
        assert_eq!((mode(&root), mode(&below)), (0o755, 0o700));
        for folder in [&below, &root] {
            for open in [0o777, 0o770, 0o702] {
                fs::set_permissions(folder, Permissions::from_mode(open)).unwrap();
                let error = PrivateDir::create(&root, &["outbox"]).unwrap_err().to_string();
                let expected = format!("others can write to {} (mode {open:04o})", folder.display());
                assert!(error.contains(&expected) && error.contains("chmod -R go-w"), "{error}");
                fs::set_permissions(folder, Permissions::from_mode(0o700)).unwrap();
            }
        }
    }

    #[test]
    fn a_folder_of_somebody_else_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        if !geteuid().is_root() {
            eprintln!("skipped: only root can give a folder away");
            return;
        }
        chown(temp.path(), Some(65534), None).unwrap();
        let error = PrivateDir::open(temp.path(), &[]).unwrap_err().to_string();
        assert!(error.contains("belongs to user 65534, and this runs as user 0"), "{error}");
    }

    #[test]
    fn links_below_the_root_are_not_followed() {
        let temp = tempfile::tempdir().unwrap();
        let [root, link, elsewhere] = ["root", "link", "elsewhere"].map(|name| temp.path().join(name));
        for folder in [&root, &elsewhere] {
            fs::create_dir(folder).unwrap();
            fs::set_permissions(folder, Permissions::from_mode(0o700)).unwrap();
        }
        symlink("root", &link).unwrap();
        assert!(PrivateDir::open(&link, &[]).unwrap().is_some(), "the root may be a link");
        symlink("../elsewhere", root.join("outbox")).unwrap();
        let error = PrivateDir::create(&root, &["outbox"]).unwrap_err().to_string();
        assert!(error.contains("root/outbox is a link"), "{error}");
    }
}
