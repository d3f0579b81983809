//! What a writer relies on.

use std::os::unix::fs::PermissionsExt;

use common::runtime::block_on;

use super::repository::{Repository, key, read};
use crate::error::StoreError;
use crate::object::{Object, Version};

#[test]
fn an_object_is_created_replaced_and_listed() {
    let repository = Repository::new();
    block_on(async {
        let (one, other) = (repository.open("one"), repository.open("other"));
        assert_eq!(one.get(&key("a")).await.unwrap(), None);
        assert!(one.list("").await.unwrap().is_empty());
        let first = one.put_if_absent(&key("a"), b"1\r\n\0").await.unwrap();
        let object = other.get(&key("a")).await.unwrap();
        assert_eq!(object, Some(Object { bytes: b"1\r\n\0".to_vec(), version: first.clone() }));
        let second = other.put_if_matches(&key("a"), b"2", &first).await.unwrap();
        assert_eq!(read(&one, &key("a")).await.unwrap(), (2, Some(second)));
        one.put_if_absent(&key("b"), b"").await.unwrap();
        assert_eq!(other.list("").await.unwrap(), [key("a"), key("b")]);
        assert_eq!(other.list("prod/b/").await.unwrap(), [key("b")]);
        assert_eq!(other.get(&key("b")).await.unwrap().unwrap().bytes, b"");
    })
    .unwrap();
    assert_eq!(repository.git(&["show", "refs/dm/state:prod/a/state.json"]), "2");
    let log = repository.git(&["log", "--format=%an <%ae> %cn <%ce> %s", "refs/dm/state"]);
    let line = "dm <dm@localhost> dm <dm@localhost> prod/";
    assert_eq!(log, format!("{line}b/state.json\n{line}a/state.json\n{line}a/state.json\n"));
    let mode = repository.cache("one").join("git").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn another_version_is_a_conflict_even_if_the_content_is_equal() {
    let repository = Repository::new();
    block_on(async {
        let (one, other) = (repository.open("one"), repository.open("other"));
        let first = one.put_if_absent(&key("a"), b"1").await.unwrap();
        assert!(matches!(other.put_if_absent(&key("a"), b"1").await, Err(StoreError::Conflict)));
        let second = other.put_if_matches(&key("a"), b"2", &first).await.unwrap();
        let third = other.put_if_matches(&key("a"), b"1", &second).await.unwrap();
        assert_ne!(first, third);
        // What `one` remembers fits, and is out of date.
        for stale in [first, second, Version("no such version".to_owned())] {
            assert!(matches!(one.put_if_matches(&key("a"), b"4", &stale).await, Err(StoreError::Conflict)));
        }
        let version = Version(String::new());
        assert!(matches!(one.put_if_matches(&key("b"), b"1", &version).await, Err(StoreError::Conflict)));
        one.put_if_matches(&key("a"), b"5", &third).await.unwrap();
    })
    .unwrap();
    assert_eq!(repository.commits(), 4);
}

#[test]
fn another_key_that_has_changed_is_no_conflict() {
    let repository = Repository::new();
    block_on(async {
        let (one, other) = (repository.open("one"), repository.open("other"));
        let mut version = one.put_if_absent(&key("a"), b"1").await.unwrap();
        let mut others = other.put_if_absent(&key("b"), b"1").await.unwrap();
        for _ in 0..3 {
            version = one.put_if_matches(&key("a"), b"2", &version).await.unwrap();
            others = other.put_if_matches(&key("b"), b"2", &others).await.unwrap();
        }
        assert_eq!(one.get(&key("b")).await.unwrap().unwrap().version, others);
    })
    .unwrap();
    assert_eq!(repository.commits(), 8);
}

#[test]
fn a_repository_in_which_a_person_has_edited_an_object_is_read() {
    let repository = Repository::new();
    block_on(async {
        let one = repository.open("one");
        let first = one.put_if_absent(&key("a"), b"1").await.unwrap();
        let blob = repository.git(&["hash-object", "-w", repository.path().join("HEAD").to_str().unwrap()]);
        let edit = format!(
            "export GIT_DIR={} GIT_INDEX_FILE={}; git read-tree refs/dm/state && \
             git update-index --add --cacheinfo 100644,{},prod/a/state.json && \
             commit=$(git -c user.name=x -c user.email=x@x commit-tree $(git write-tree) -p refs/dm/state -m edit) && \
             git update-ref refs/dm/state $commit",
            repository.path().display(),
            repository.cache("index").display(),
            blob.trim()
        );
        let status = std::process::Command::new("sh").args(["-c", &edit]).status().unwrap();
        assert!(status.success());
        assert!(matches!(one.put_if_matches(&key("a"), b"2", &first).await, Err(StoreError::Conflict)));
        let object = one.get(&key("a")).await.unwrap().unwrap();
        assert!(object.bytes.starts_with(b"ref: "));
        one.put_if_matches(&key("a"), b"2", &object.version).await.unwrap();
    })
    .unwrap();
}
