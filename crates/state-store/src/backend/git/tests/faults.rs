//! Hosts and clones with faults.

use std::fs;
use std::time::Duration;

use common::runtime::block_on;

use super::repository::{Repository, increment, key, open, read};
use crate::error::StoreError;

#[test]
fn a_hook_that_rejects_is_reported() {
    let repository = Repository::new();
    repository.script("r.git/hooks/pre-receive", "#!/bin/sh\nprintf 'no \\033[31mway\\n' >&2; exit 1\n");
    let result = block_on(repository.open("cache").put_if_absent(&key("a"), b"1")).unwrap();
    let Err(StoreError::Denied(message)) = result else { panic!("{result:?}") };
    assert!(message.contains("pre-receive hook declined") && message.contains("way"), "{message}");
    assert!(message.contains("contents: write") && !message.contains('\u{1b}'), "{message}");
}

#[test]
fn an_update_hook_that_rejects_is_reported() {
    let repository = Repository::new();
    repository.script("r.git/hooks/update", "#!/bin/sh\nexit 1\n");
    let result = block_on(repository.open("cache").put_if_absent(&key("a"), b"1")).unwrap();
    assert!(matches!(result, Err(StoreError::Denied(_))), "{result:?}");
}

#[test]
fn a_lock_that_stays_on_the_host_is_reported() {
    let repository = Repository::new();
    block_on(async {
        let backend = repository.open("cache");
        increment(&backend, &key("a")).await.unwrap();
        common::fs::atomic::write(&repository.path().join("refs/dm/state.lock"), b"").unwrap();
        let result = increment(&backend, &key("a")).await;
        let Err(StoreError::Unavailable(message)) = result else { panic!("{result:?}") };
        assert!(message.contains("the host rejects every push"), "{message}");
    })
    .unwrap();
}

#[test]
fn a_wrong_url_is_refused_and_a_dead_host_is_unavailable() {
    let repository = Repository::new();
    block_on(async {
        let backend = open("file:///no/such/repository.git", &repository.cache("1"));
        let result = backend.get(&key("a")).await;
        assert!(
            matches!(&result, Err(StoreError::Denied(message)) if message.contains("check the URL")),
            "{result:?}"
        );
        // Port 1 of this machine refuses connections; the name is reserved and never resolves.
        for url in [
            "http://u:hunter22@127.0.0.1:1/r.git",
            "http://u:hunter22@host.invalid/r.git",
            "ssh://git@127.0.0.1:1/r",
        ] {
            let result = open(url, &repository.cache("2")).put_if_absent(&key("a"), b"1").await;
            let Err(StoreError::Unavailable(message)) = result else { panic!("{result:?}") };
            assert!(!message.contains("hunter22"), "{message}");
        }
    })
    .unwrap();
}

#[test]
fn a_damaged_clone_is_made_again() {
    let repository = Repository::new();
    let clone = repository.cache("cache").join("git/clone");
    block_on(async {
        let backend = repository.open("cache");
        increment(&backend, &key("a")).await.unwrap();
        let damage: [&dyn Fn(); 5] = [
            &|| fs::remove_dir_all(clone.join("objects")).unwrap(),
            &|| common::fs::atomic::write(&clone.join("HEAD"), b"\0").unwrap(),
            &|| common::fs::atomic::write(&clone.join("config"), b"[").unwrap(),
            &|| common::fs::atomic::write(&clone.join("refs/dm/known"), b"junk").unwrap(),
            &|| {
                fs::remove_dir_all(&clone).unwrap();
                common::fs::atomic::write(&clone, b"").unwrap();
            },
        ];
        for (index, damage) in damage.iter().enumerate() {
            damage();
            assert_eq!(read(&backend, &key("a")).await.unwrap().0, 2 * index as u64 + 1);
            increment(&backend, &key("a")).await.unwrap();
            let version = read(&backend, &key("a")).await.unwrap().1.unwrap();
            damage();
            let number = (2 * index + 3).to_string();
            backend.put_if_matches(&key("a"), number.as_bytes(), &version).await.unwrap();
        }
    })
    .unwrap();
}

#[test]
fn locks_of_a_git_that_was_killed_do_not_matter() {
    let repository = Repository::new();
    let clone = repository.cache("cache").join("git/clone");
    block_on(async {
        let backend = repository.open("cache");
        increment(&backend, &key("a")).await.unwrap();
        for lock in ["index.lock", "shallow.lock", "config.lock", "packed-refs.lock", "refs/dm/known.lock"] {
            common::fs::atomic::write(&clone.join(lock), b"").unwrap();
        }
        increment(&backend, &key("a")).await.unwrap();
        assert_eq!(read(&repository.open("other"), &key("a")).await.unwrap().0, 2);
    })
    .unwrap();
}

#[test]
fn a_clone_that_has_grown_is_made_again() {
    let repository = Repository::new();
    let packs = repository.cache("cache").join("git/clone/objects/pack");
    block_on(async {
        let backend = repository.open("cache");
        increment(&backend, &key("a")).await.unwrap();
        for number in 0..700 {
            fs::File::create(packs.join(number.to_string())).unwrap();
        }
        increment(&backend, &key("a")).await.unwrap();
        assert!(fs::read_dir(&packs).unwrap().count() < 700);
    })
    .unwrap();
}

#[test]
fn a_holder_of_the_lock_that_does_not_respond_is_bypassed() {
    let repository = Repository::new();
    let folder = repository.cache("cache").join("git");
    fs::create_dir_all(&folder).unwrap();
    let _lock = common::fs::lock::exclusive(&folder.join("lock"), Duration::ZERO).unwrap();
    let mut backend = repository.open("cache");
    backend.lock_limit = Duration::ZERO;
    assert_eq!(block_on(increment(&backend, &key("a"))).unwrap().unwrap(), (1, 0));
    let left: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["lock"]);
}

#[test]
fn the_largest_object_is_written_and_read() {
    let repository = Repository::new();
    let bytes = vec![b'x'; 8 * 1024 * 1024];
    let read = block_on(async {
        let backend = repository.open("cache");
        backend.put_if_absent(&key("a"), &bytes).await.unwrap();
        backend.get(&key("a")).await.unwrap().unwrap().bytes
    });
    assert!(read.unwrap() == bytes);
}
