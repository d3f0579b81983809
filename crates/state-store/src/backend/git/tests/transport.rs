//! HTTP, credentials, and what other processes of the machine can see.

use std::process::Child;

use common::runtime::block_on;
use testkit::git_http::GitServer;

use super::repository::{Repository, git, increment, key, open};
use super::workers::{command, finish};
use crate::error::StoreError;

/// `ada:hunter22@` as a header.
const AUTHORIZATION: &str = "Basic YWRhOmh1bnRlcjIyQA==";
const USERINFO: &str = "ada:hunter22%40@";

#[test]
fn http_is_a_store_too() {
    let repository = Repository::new();
    let server = GitServer::start(repository.folder.path(), None);
    block_on(async {
        let (one, other) = (open(&server.url(""), &repository.cache("1")), repository.open("2"));
        for expected in [1, 3, 5] {
            assert_eq!(increment(&one, &key("a")).await.unwrap(), (expected, 0));
            assert_eq!(increment(&other, &key("a")).await.unwrap(), (expected + 1, 0));
        }
        // More than http.postBuffer would be sent in chunks, which a small web server does not read.
        one.put_if_absent(&key("b"), &vec![b'x'; 1_000_000]).await.unwrap();
        assert_eq!(other.get(&key("b")).await.unwrap().unwrap().bytes.len(), 1_000_000);
    })
    .unwrap();
}

#[test]
fn a_write_after_a_read_takes_two_requests() {
    let repository = Repository::new();
    let server = GitServer::start(repository.folder.path(), None);
    let backend = open(&server.url(""), &repository.cache("1"));
    block_on(async {
        for _ in 0..2 {
            increment(&repository.open("2"), &key("a")).await.unwrap();
            let version = backend.get(&key("a")).await.unwrap().unwrap().version;
            server.requests.lock().unwrap().clear();
            backend.put_if_matches(&key("a"), b"9", &version).await.unwrap();
            let requests = server.requests.lock().unwrap();
            let is_push = requests.iter().all(|request| request.contains("git-receive-pack"));
            assert!(is_push && requests.len() == 2, "{requests:?}");
        }
    })
    .unwrap();
}

#[test]
fn a_password_reaches_the_server_and_no_argument() {
    let repository = Repository::new();
    let server = GitServer::start(repository.folder.path(), Some(AUTHORIZATION));
    let log = repository.folder.path().join("argv");
    let real = git(&["--exec-path"]);
    let log_and_run = |program: &str| {
        format!(
            "#!/bin/sh\nprintf '%s ' \"$0\" \"$@\" >>{0}; echo >>{0}\nexec {program} \"$@\"\n",
            log.display()
        )
    };
    // git starts its helpers from its own folder.
    let helpers = repository.folder.path().join("helpers");
    repository.script("helpers/git-remote-http", &log_and_run(&format!("{}/git-remote-http", real.trim())));
    for entry in std::fs::read_dir(real.trim()).unwrap().map(Result::unwrap) {
        // One of them exists already.
        let _ = std::os::unix::fs::symlink(entry.path(), helpers.join(entry.file_name()));
    }
    let path = std::env::join_paths(
        [repository.folder.path().join("bin")]
            .into_iter()
            .chain(std::env::split_paths(&common::env::system("PATH").unwrap())),
    )
    .unwrap();
    let system_git =
        std::env::split_paths(&path).map(|folder| folder.join("git")).find(|git| git.is_file()).unwrap();
    repository.script("bin/git", &log_and_run(system_git.to_str().unwrap()));
    let child: Child = command(&server.url(USERINFO), &repository.cache("cache"), "a", 2)
        .env("PATH", path)
        .env("GIT_EXEC_PATH", &helpers)
        .spawn()
        .unwrap();
    assert_eq!(finish(child), (true, vec![(1, 0), (2, 0)]));
    let argv = std::fs::read_to_string(log).unwrap();
    assert!(argv.contains("git-remote-http dm-state-store http://127.0.0.1"), "{argv}");
    assert!(argv.contains("push"), "{argv}");
    // Without what follows the name it could be part of an object id.
    for secret in ["hunter22", "ada:", "ada@"] {
        assert!(!argv.contains(secret), "{argv}");
    }
    let stored = std::process::Command::new("grep")
        .args(["-r", "hunter22"])
        .arg(repository.cache("cache"))
        .status()
        .unwrap();
    assert!(!stored.success(), "the clone contains the password");
}

#[test]
fn wrong_credentials_are_refused_and_not_repeated() {
    let repository = Repository::new();
    let server = GitServer::start(repository.folder.path(), Some(AUTHORIZATION));
    for userinfo in ["", "ada@", "ada:hunter33@"] {
        let backend = open(&server.url(userinfo), &repository.cache("cache"));
        for result in block_on(async {
            [backend.get(&key("a")).await.map(drop), backend.put_if_absent(&key("a"), b"1").await.map(drop)]
        })
        .unwrap()
        {
            let Err(StoreError::Denied(message)) = result else { panic!("{result:?}") };
            assert!(!message.contains("hunter") && message.contains("credential"), "{message}");
        }
    }
    assert!(server.requests.lock().unwrap().iter().all(|request| !request.contains("POST")));
}
