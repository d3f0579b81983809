//! The checked-out commit, read from the repository's files: starting `git` would cost more than everything else that
//! a wrapper does.

use std::io;
use std::path::{Path, PathBuf};

use crate::fs::bounded;

/// The largest file of references.
const MAX_BYTES: u64 = 32 * 1024 * 1024;

/// A work tree and the commit that is checked out in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checkout {
    /// The work tree's top folder.
    pub(super) top: PathBuf,
    /// The full hash. `None` before the first commit, or if the repository stores its references in an unknown format.
    pub(super) commit: Option<String>,
}

/// Finds the repository that contains `folder`.
///
/// Layout as in gitrepository-layout(5): `.git` is a folder, or, in a linked work tree, a file naming it.
pub(super) fn find(folder: &Path) -> Option<Checkout> {
    let top = folder.ancestors().find(|dir| dir.join(".git").exists())?;
    let dot_git = top.join(".git");
    let git_dir = match read(&dot_git) {
        Ok(text) => top.join(text.trim().strip_prefix("gitdir:")?.trim()),
        Err(_) => dot_git,
    };
    Some(Checkout { top: top.to_owned(), commit: head(&git_dir) })
}

fn head(git_dir: &Path) -> Option<String> {
    let head = read(&git_dir.join("HEAD")).ok()?;
    let Some(reference) = head.trim().strip_prefix("ref:").map(str::trim) else {
        return hash(head.trim());
    };
    // A linked work tree keeps its own HEAD and shares the branches.
    let common = match read(&git_dir.join("commondir")) {
        Ok(path) => git_dir.join(path.trim()),
        Err(_) => git_dir.to_owned(),
    };
    if let Ok(text) = read(&common.join(reference)) {
        return hash(text.trim());
    }
    let packed = read(&common.join("packed-refs")).ok()?;
    packed
        .lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(_, name)| *name == reference)
        .and_then(|(h, _)| hash(h))
}

fn hash(text: &str) -> Option<String> {
    let is_hash = matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit());
    is_hash.then(|| text.to_owned())
}

fn read(path: &Path) -> io::Result<String> {
    bounded::read_regular_text(path, MAX_BYTES)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const COMMIT: &str = "0123456789012345678901234567890123456789";

    fn repository(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            crate::fs::atomic::write(&path, text.as_bytes()).unwrap();
        }
        folder
    }

    #[test]
    fn follows_head_to_a_loose_a_packed_and_a_detached_commit() {
        for files in [
            vec![(".git/HEAD", "ref: refs/heads/main\n"), (".git/refs/heads/main", COMMIT)],
            vec![
                (".git/HEAD", "ref: refs/heads/main\n"),
                (".git/packed-refs", "# pack\n0123456789012345678901234567890123456789 refs/heads/main\n"),
            ],
            vec![(".git/HEAD", COMMIT)],
        ] {
            let repository = repository(&files);
            let below = repository.path().join("a/b");
            fs::create_dir_all(&below).unwrap();
            let found = find(&below).unwrap();
            assert_eq!(found.top, repository.path());
            assert_eq!(found.commit.as_deref(), Some(COMMIT), "{files:?}");
        }
    }

    #[test]
    fn a_linked_work_tree_and_an_unborn_branch() {
        let linked = repository(&[
            ("tree/.git", "gitdir: ../main/.git/worktrees/tree\n"),
            ("main/.git/worktrees/tree/HEAD", "ref: refs/heads/side\n"),
            ("main/.git/worktrees/tree/commondir", "../..\n"),
            ("main/.git/refs/heads/side", COMMIT),
        ]);
        assert_eq!(find(&linked.path().join("tree")).unwrap().commit.as_deref(), Some(COMMIT));
        let unborn = repository(&[(".git/HEAD", "ref: refs/heads/main\n")]);
        assert_eq!(find(unborn.path()).unwrap().commit, None);
    }
}
