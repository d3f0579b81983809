//! A bare repository with a store in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::backend::git::GitBackend;
use crate::error::StoreError;
use crate::key::Key;
use crate::local_folder::LocalFolder;
use crate::object::Version;

pub(super) const REFERENCE: &str = "refs/dm/state";

/// A bare repository, and a folder for everything else of a test.
#[derive(Debug)]
pub(super) struct Repository {
    pub(super) folder: TempDir,
}

impl Repository {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repository = Self { folder };
        git(&["init", "--quiet", "--bare", repository.path().to_str().unwrap()]);
        repository.configure("uploadpack.allowFilter", "true");
        repository.configure("http.receivepack", "true");
        repository
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("r.git")
    }

    pub(super) fn url(&self) -> String {
        format!("file://{}", self.path().display())
    }

    pub(super) fn cache(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn open(&self, cache: &str) -> GitBackend {
        open(&self.url(), &self.cache(cache))
    }

    pub(super) fn configure(&self, name: &str, value: &str) {
        self.git(&["config", name, value]);
    }

    /// Runs git in the repository; returns what it printed.
    pub(super) fn git(&self, arguments: &[&str]) -> String {
        let folder = format!("--git-dir={}", self.path().display());
        git(&[&[folder.as_str()], arguments].concat())
    }

    /// Writes an executable script.
    pub(super) fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        script(&path, text);
        path
    }

    pub(super) fn commits(&self) -> usize {
        self.git(&["rev-list", "--count", REFERENCE]).trim().parse().unwrap()
    }
}

pub(super) fn open(url: &str, cache: &Path) -> GitBackend {
    GitBackend::open(&url.to_owned().into(), REFERENCE, &LocalFolder::at(cache)).unwrap()
}

pub(super) fn key(service: &str) -> Key {
    Key::listed(&format!("prod/{service}/state.json"))
}

/// Writes an executable file in one step: it must not be open for writing when it starts.
fn script(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    common::fs::atomic::write(path, text.as_bytes()).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

pub(super) fn git(arguments: &[&str]) -> String {
    let child = Command::new("git").args(arguments).stdout(Stdio::piped()).spawn().unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "git {arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Adds one to the number that an object contains, until no other writer is faster. Returns the number, and how often
/// another writer was faster.
pub(super) async fn increment(backend: &GitBackend, key: &Key) -> Result<(u64, u32), StoreError> {
    let mut conflicts = 0;
    loop {
        let (number, version) = read(backend, key).await?;
        let bytes = (number + 1).to_string().into_bytes();
        let written = match &version {
            Some(version) => backend.put_if_matches(key, &bytes, version).await,
            None => backend.put_if_absent(key, &bytes).await,
        };
        match written {
            Ok(_) => return Ok((number + 1, conflicts)),
            Err(StoreError::Conflict) => conflicts += 1,
            Err(error) => return Err(error),
        }
    }
}

/// The number that an object contains; 0 if it does not exist.
pub(super) async fn read(backend: &GitBackend, key: &Key) -> Result<(u64, Option<Version>), StoreError> {
    Ok(match backend.get(key).await? {
        Some(object) => (String::from_utf8(object.bytes).unwrap().parse().unwrap(), Some(object.version)),
        None => (0, None),
    })
}
