//! The contract of a store, for every backend; and what object stores do when something is wrong.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use common::label::Label;
use common::runtime;
use tempfile::TempDir;
use testkit::fault::{self, Recording, answer};
use testkit::gcs::GoogleStorage;
use testkit::object_store::{BUCKET, ObjectStore};

use crate::error::StoreError;
use crate::key::Key;
use crate::local_folder::LocalFolder;
use crate::object::{MAX_BYTES, Version};
use crate::store::Store;

/// A place for a store, and what lives as long as it.
struct Place {
    name: &'static str,
    url: String,
    variables: Vec<(String, String)>,
    folder: TempDir,
    _server: Option<Server>,
}

/// What serves a place; it ends with it.
enum Server {
    Real {
        _server: ObjectStore,
    },
    /// No emulator compares the generations of Google Cloud Storage.
    Fake {
        _server: GoogleStorage,
    },
}

impl Place {
    fn new(name: &'static str, url: &str, server: Option<ObjectStore>) -> Self {
        let variables = server.as_ref().map(|server| server.variables.clone()).unwrap_or_default();
        let server = server.map(|server| Server::Real { _server: server });
        Self { name, url: url.to_owned(), variables, folder: tempfile::tempdir().unwrap(), _server: server }
    }

    fn google() -> Self {
        let server = GoogleStorage::start();
        let place = Self::new("Google", &format!("gs://{BUCKET}/some/prefix"), None);
        let variables = server.variables();
        Self { variables, _server: Some(Server::Fake { _server: server }), ..place }
    }

    fn s3(variables: &[(&str, &str)]) -> Self {
        let mut place = Self::new("S3", &format!("s3://{BUCKET}/some/prefix"), None);
        place.variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        place
    }

    /// S3 at a fake server.
    fn fake(server: &str) -> Self {
        Self::s3(&[
            ("AWS_ENDPOINT_URL", server),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        ])
    }

    fn try_open(&self) -> Result<Store, StoreError> {
        Store::open_with(
            &self.url.parse().unwrap(),
            &LocalFolder::at(self.folder.path()),
            self.variables.iter().cloned(),
        )
    }

    fn open(&self) -> Store {
        self.try_open().unwrap()
    }

    /// The file of an object in a folder.
    fn file(&self, key: &Key) -> PathBuf {
        self.folder.path().join("store").join(key.as_str())
    }

    fn get_error(&self) -> StoreError {
        run(async { self.open().get(&document("a")).await }).unwrap_err()
    }
}

/// Every backend that is tested; git has a list of its own.
fn places() -> Vec<Place> {
    let folder = Place::new("folder", "file:///unused", None);
    let url = format!("file://{}/store", folder.folder.path().display());
    vec![
        Place { url, ..folder },
        Place::new("S3", &format!("s3://{BUCKET}/some/prefix"), Some(ObjectStore::s3())),
        Place::new("Azure", &format!("az://{BUCKET}/some/prefix"), Some(ObjectStore::azure())),
        Place::google(),
    ]
}

fn run<T>(work: impl Future<Output = T>) -> T {
    runtime::block_on(work).unwrap()
}

fn label(text: &str) -> Label {
    text.parse().unwrap()
}

fn document(service: &str) -> Key {
    Key::document(&label("production"), &label(service))
}

#[test]
fn an_object_is_created_once_and_replaced_only_in_its_present_version() {
    for place in places() {
        let (name, store) = (place.name, place.open());
        run(async {
            // A dot, which the key percent-encodes.
            let key = document("shop.example");
            assert_eq!(store.get(&key).await.unwrap(), None, "{name}");
            let unknown = Version("\"0\"".to_owned());
            let missing = store.put_if_matches(&key, b"x", &unknown).await;
            assert!(matches!(missing, Err(StoreError::Conflict)), "{name}: {missing:?}");

            let first = store.put_if_absent(&key, b"first").await.unwrap();
            let second = store.put_if_absent(&key, b"second").await;
            assert!(matches!(second, Err(StoreError::Conflict)), "{name}: {second:?}");
            let object = store.get(&key).await.unwrap().unwrap();
            assert_eq!((object.bytes.as_slice(), &object.version), (b"first".as_slice(), &first), "{name}");

            let next = store.put_if_matches(&key, b"next", &first).await.unwrap();
            let stale = store.put_if_matches(&key, b"stale", &first).await;
            assert!(matches!(stale, Err(StoreError::Conflict)), "{name}: {stale:?}");
            let object = store.get(&key).await.unwrap().unwrap();
            assert_eq!((object.bytes.as_slice(), &object.version), (b"next".as_slice(), &next), "{name}");
        });
    }
}

#[test]
fn a_listing_has_the_keys_below_a_prefix_in_order() {
    for place in places() {
        let (name, store) = (place.name, place.open());
        run(async {
            assert_eq!(store.list("").await.unwrap(), [], "{name}");
            let [environment, service] = ["production", "shop.example"].map(label);
            let sealed = [1, 0].map(|number| Key::sealed(&environment, &service, number));
            for key in [&document("shop.example"), &document("a"), &sealed[0], &sealed[1]] {
                store.put_if_absent(key, b"{}").await.unwrap();
            }
            let all = store.list("").await.unwrap();
            let expected =
                [&document("a"), &sealed[1], &sealed[0], &document("shop.example")].map(Clone::clone);
            assert_eq!(all, expected, "{name}");
            let folder = sealed[0].as_str().rsplit_once('/').unwrap().0;
            assert_eq!(store.list(&format!("{folder}/")).await.unwrap(), expected[1..3], "{name}");
        });
    }
}

#[test]
fn of_many_increments_at_the_same_time_none_is_lost() {
    const WRITERS: u32 = 4;
    const EACH: u32 = 10;
    for place in places() {
        let key = document("shop");
        run(async { place.open().put_if_absent(&key, b"0").await }).unwrap();
        thread::scope(|scope| {
            for _ in 0..WRITERS {
                scope.spawn(|| run(increment(&place.open(), &document("shop"), EACH)));
            }
        });
        let object = run(async { place.open().get(&key).await }).unwrap().unwrap();
        let count = String::from_utf8(object.bytes).unwrap();
        assert_eq!(count, (WRITERS * EACH).to_string(), "{}", place.name);
    }
}

async fn increment(store: &Store, key: &Key, times: u32) {
    for _ in 0..times {
        loop {
            let object = store.get(key).await.unwrap().unwrap();
            let count: u32 = str::from_utf8(&object.bytes).unwrap().parse().unwrap();
            match store.put_if_matches(key, (count + 1).to_string().as_bytes(), &object.version).await {
                Ok(_) => break,
                Err(StoreError::Conflict) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[test]
fn an_object_that_is_too_large_is_neither_written_nor_read() {
    let bytes = vec![b'x'; usize::try_from(MAX_BYTES).unwrap() + 1];
    let key = document("a");
    for place in places() {
        let store = place.open();
        run(async {
            let error = store.put_if_absent(&key, &bytes).await.unwrap_err();
            assert!(error.to_string().contains("nothing was written"), "{}: {error}", place.name);
            assert_eq!(store.get(&key).await.unwrap(), None);
            let version = store.put_if_absent(&key, b"small").await.unwrap();
            let error = store.put_if_matches(&key, &bytes, &version).await.unwrap_err();
            assert!(matches!(error, StoreError::TooLarge(_)), "{}: {error}", place.name);
            assert_eq!(store.get(&key).await.unwrap().unwrap().bytes, b"small");
        });
    }
    // Somebody else has written it.
    let folder = places().remove(0);
    run(async { folder.open().put_if_absent(&key, b"small").await }).unwrap();
    common::fs::atomic::write(&folder.file(&key), &bytes).unwrap();
    let body = String::from_utf8(bytes).unwrap();
    let response = answer("200 OK\r\nETag: \"1\"\r\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT", &body);
    for place in [folder, Place::fake(&fault::answering(&response))] {
        let error = place.get_error();
        assert!(matches!(error, StoreError::Damaged(_)), "{}: {error}", place.name);
    }
}

#[test]
fn a_folder_store_opens_regular_files_of_this_user_only() {
    let place = places().remove(0);
    let (store, key) = (place.open(), document("a"));
    let version = run(async { store.put_if_absent(&key, b"good").await }).unwrap();
    let (file, victim) = (place.file(&key), place.folder.path().join("victim"));

    // A link at the name of the draft is not written through.
    common::fs::atomic::write(&victim, b"as it was").unwrap();
    symlink(&victim, file.with_file_name(".state.json.tmp")).unwrap();
    run(async { store.put_if_matches(&key, b"new", &version).await }).unwrap();
    assert_eq!(fs::read(&victim).unwrap(), b"as it was");

    // A pipe is not waited for, and a link is not followed.
    for planted in ["pipe", "link"] {
        fs::remove_file(&file).unwrap();
        if planted == "pipe" {
            assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
        } else {
            symlink(&victim, &file).unwrap();
        }
        let write = run(async { store.put_if_absent(&key, b"x").await }).unwrap_err();
        for error in [place.get_error(), write] {
            assert!(matches!(error, StoreError::Denied(_)), "{planted}: {error}");
        }
    }
    fs::remove_file(&file).unwrap();

    // What others can write is not trusted.
    let root = file.ancestors().nth(3).unwrap();
    for open in [root, file.parent().unwrap()] {
        fs::set_permissions(open, Permissions::from_mode(0o777)).unwrap();
        let write = run(async { store.put_if_absent(&key, b"x").await }).unwrap_err();
        for error in [place.get_error(), write] {
            assert!(matches!(error, StoreError::Denied(_)), "{}: {error}", open.display());
        }
        fs::set_permissions(open, Permissions::from_mode(0o700)).unwrap();
    }
    assert_eq!(run(async { store.get(&key).await }).unwrap(), None);
}

#[test]
fn an_endpoint_with_http_is_meant() {
    for mut place in places().split_off(1) {
        place.variables.retain(|(name, _)| !name.ends_with("ALLOW_HTTP"));
        let version = run(async { place.open().put_if_absent(&document("a"), b"x").await });
        version.unwrap_or_else(|error| panic!("{}: {error}", place.name));
    }
}

#[test]
fn a_content_that_returns_has_another_version_in_a_folder() {
    let place = places().remove(0);
    let store = place.open();
    run(async {
        let key = document("a");
        let first = store.put_if_absent(&key, b"a").await.unwrap();
        let second = store.put_if_matches(&key, b"b", &first).await.unwrap();
        store.put_if_matches(&key, b"a", &second).await.unwrap();
        let stale = store.put_if_matches(&key, b"c", &first).await;
        assert!(matches!(stale, Err(StoreError::Conflict)), "{stale:?}");
    });
}

#[test]
fn a_missing_bucket_and_wrong_credentials_are_refused_with_what_to_do() {
    let [_, s3, azure, _] = <[Place; 4]>::try_from(places()).ok().unwrap();
    for place in [Place { url: "s3://nobody".into(), ..s3 }, Place { url: "az://nobody".into(), ..azure }] {
        let write = run(async { place.open().put_if_absent(&document("a"), b"x").await }).unwrap_err();
        for error in [place.get_error(), write] {
            let text = error.to_string();
            assert!(matches!(error, StoreError::Denied(_)) && text.contains("create it"), "{text}");
        }
    }
    let mut azure = places().remove(2);
    for (name, value) in &mut azure.variables {
        if name == "AZURE_STORAGE_KEY" {
            *value = "aHVudGVyMg==".to_owned();
        }
    }
    let body = "<Error><Code>InvalidAccessKeyId</Code><Message>It is not known.</Message></Error>";
    for place in [azure, Place::fake(&fault::answering(&answer("403 Forbidden", body)))] {
        let error = place.get_error();
        let text = error.to_string();
        assert!(matches!(error, StoreError::Denied(_)) && text.contains("403 Forbidden: "), "{text}");
        assert!(!text.contains("hunter2") && !text.contains("aHVud"), "{text}");
    }
}

#[test]
fn a_store_with_half_its_credentials_is_refused() {
    let error = Place::s3(&[("AWS_SECRET_ACCESS_KEY", "hunter2")]).try_open().unwrap_err();
    assert!(matches!(error, StoreError::Denied(_)) && !error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn a_store_that_does_not_respond_is_unavailable() {
    let faults = [
        fault::refused(),
        fault::resetting(),
        fault::hanging(),
        fault::answering(&answer("503 Slow Down", "<Error><Code>SlowDown</Code></Error>")),
    ];
    thread::scope(|scope| {
        for server in &faults {
            scope.spawn(move || {
                let store = Place::fake(server).open();
                let key = document("a");
                let results = run(async {
                    // Longer than a request may take.
                    let limit = Duration::from_mins(1);
                    let get = tokio::time::timeout(limit, store.get(&key)).await.unwrap();
                    let put = store.put_if_absent(&key, b"x");
                    [get.map(drop), tokio::time::timeout(limit, put).await.unwrap().map(drop)]
                });
                for result in results {
                    let error = result.unwrap_err();
                    assert!(matches!(error, StoreError::Unavailable(_)), "{server}: {error:?}");
                }
            });
        }
    });
}

#[test]
fn a_write_without_a_response_is_attempted_once() {
    // Reads the whole request, then closes the connection.
    let server = Recording::answering(|_| String::new());
    let error = run(async { Place::fake(&server.url).open().put_if_absent(&document("a"), b"x").await });
    assert!(matches!(error, Err(StoreError::Unavailable(_))), "{error:?}");
    assert_eq!(server.requests().len(), 1);
}
