//! A place for a shared state, of every kind, and what is in it. It is read without the tools, so that their tests do not
//! depend on their own reading.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::bin::Machine;
use crate::gcs::GoogleStorage;
use crate::git_http::GitServer;
use crate::object_store::{BUCKET, ObjectStore};

/// The ref of a git store.
const REFERENCE: &str = "refs/dm/state";

/// The environment of the tests.
const ENVIRONMENT: &str = "production";

/// A place for a shared state.
#[derive(Debug)]
pub struct SharedStore {
    /// Its name, for messages.
    pub name: &'static str,
    /// The value of `DM_STATE_URL`.
    pub url: String,
    /// What the tools need besides.
    pub variables: Vec<(String, String)>,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Folder(TempDir),
    Objects(ObjectStore),
    Google(GoogleStorage),
    Git { folder: TempDir, server: Option<GitServer> },
}

impl SharedStore {
    /// A folder.
    pub fn folder() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("file://{}", folder.path().join("store").display());
        Self { name: "folder", url, variables: Vec::new(), content: Content::Folder(folder) }
    }

    /// A bucket of S3, by moto.
    pub fn s3() -> Self {
        let (url, store) = (format!("s3://{BUCKET}/some/prefix"), ObjectStore::s3());
        Self { name: "S3", url, variables: store.variables.clone(), content: Content::Objects(store) }
    }

    /// A container of Azure, by Azurite.
    pub fn azure() -> Self {
        let (url, store) = (format!("az://{BUCKET}/some/prefix"), ObjectStore::public_azure());
        Self { name: "Azure", url, variables: store.variables.clone(), content: Content::Objects(store) }
    }

    /// A bucket of Google Cloud Storage, by a fake.
    pub fn google() -> Self {
        let (url, store) = (format!("gs://{BUCKET}/some/prefix"), GoogleStorage::start());
        Self { name: "GCS (fake)", url, variables: store.variables(), content: Content::Google(store) }
    }

    /// A git repository in a folder.
    pub fn git_file() -> Self {
        let folder = repository();
        let url = format!("git+file://{}", folder.path().join("r.git").display());
        let content = Content::Git { folder, server: None };
        Self { name: "git file", url, variables: Vec::new(), content }
    }

    /// A git repository over HTTP.
    pub fn git_http() -> Self {
        let folder = repository();
        let server = GitServer::start(folder.path(), None);
        let url = format!("git+{}", server.url(""));
        let content = Content::Git { folder, server: Some(server) };
        Self { name: "git HTTP", url, variables: Vec::new(), content }
    }

    /// The object store behind it.
    ///
    /// # Panics
    /// It is none.
    pub fn objects(&self) -> &ObjectStore {
        let Content::Objects(store) = &self.content else { panic!("{} is no object store", self.name) };
        store
    }

    /// The folder of the repository behind it.
    ///
    /// # Panics
    /// It is none.
    pub fn repository(&self) -> PathBuf {
        let Content::Git { folder, .. } = &self.content else { panic!("{} is not git", self.name) };
        folder.path().join("r.git")
    }

    /// The requests to the git server so far, and none over files.
    pub fn git_requests(&self) -> Vec<String> {
        match &self.content {
            Content::Git { server: Some(server), .. } => server.requests.lock().unwrap().clone(),
            _ => Vec::new(),
        }
    }

    /// The document of a service; null if there is none.
    pub fn document(&self, service: &str) -> Value {
        self.read(&format!("{ENVIRONMENT}/{service}/state.json")).map_or(Value::Null, |bytes| parse(&bytes))
    }

    /// The entries of a list, `events` or `ledger`, of a service: those of all segments, then those of the document.
    pub fn entries(&self, service: &str, list: &str) -> Vec<Value> {
        let document = self.document(service);
        let segments = (0..document["sealed"].as_u64().unwrap_or(0)).map(|number| {
            let key = format!("{ENVIRONMENT}/{service}/sealed/{number:010}.json");
            parse(&self.read(&key).unwrap_or_else(|| panic!("{key} is missing")))
        });
        let parts = segments.chain([document.clone()]);
        parts.flat_map(|part| part[list].as_array().cloned().unwrap_or_default()).collect()
    }

    /// A machine that shares its state here.
    pub fn machine(&self) -> Machine {
        let machine = Machine::new().with("DM_STATE_URL", &self.url);
        self.variables.iter().fold(machine, |machine, (name, value)| machine.with(name, value))
    }

    /// Writes the document and the segments of a service without the tools, to S3 or over files into git.
    ///
    /// # Panics
    /// It is another kind of store.
    pub fn write(&self, service: &str, document: &Value, segments: &[Value]) {
        let segments = segments.iter().enumerate();
        let sealed = segments.map(|(number, segment)| (format!("sealed/{number:010}.json"), segment));
        let objects: Vec<(String, Vec<u8>)> = sealed
            .chain([("state.json".to_owned(), document)])
            .map(|(name, value)| (format!("{ENVIRONMENT}/{service}/{name}"), value.to_string().into_bytes()))
            .collect();
        match &self.content {
            Content::Objects(store) => {
                for (key, bytes) in objects {
                    store.write(&format!("some/prefix/{key}"), bytes);
                }
            }
            Content::Git { .. } => {
                let mut commit =
                    format!("commit {REFERENCE}\ncommitter t <t@t> 0 +0000\ndata 0\n").into_bytes();
                commit.extend(format!("from {REFERENCE}^0\n").as_bytes());
                for (key, bytes) in objects {
                    commit.extend(format!("M 100644 inline {key}\ndata {}\n", bytes.len()).as_bytes());
                    commit.extend([bytes.as_slice(), b"\n"].concat());
                }
                let mut git = Command::new("git");
                git.arg("--git-dir").arg(self.repository()).args(["fast-import", "--quiet"]);
                let mut child = git.stdin(Stdio::piped()).spawn().unwrap();
                child.stdin.take().unwrap().write_all(&commit).unwrap();
                assert!(child.wait().unwrap().success());
            }
            Content::Folder(_) | Content::Google(_) => panic!("not for {}", self.name),
        }
    }

    fn read(&self, key: &str) -> Option<Vec<u8>> {
        match &self.content {
            Content::Folder(folder) => std::fs::read(folder.path().join("store").join(key)).ok(),
            Content::Objects(store) => store.read(&format!("some/prefix/{key}")),
            Content::Google(store) => store.read(&format!("some/prefix/{key}")),
            Content::Git { .. } => {
                let object = format!("{REFERENCE}:{key}");
                let mut git = Command::new("git");
                git.arg("--git-dir").arg(self.repository()).args(["cat-file", "blob", &object]);
                let child = git.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
                let output = child.wait_with_output().unwrap();
                output.status.success().then_some(output.stdout)
            }
        }
    }
}

fn parse(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// An empty repository, to which everybody may push.
fn repository() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.git");
    let git = |arguments: &[&str]| {
        let status = Command::new("git").args(arguments).arg(&path).status().unwrap();
        assert!(status.success(), "git {arguments:?}");
    };
    git(&["init", "--quiet", "--bare"]);
    for (name, value) in [("uploadpack.allowFilter", "true"), ("http.receivepack", "true")] {
        let status =
            Command::new("git").arg("--git-dir").arg(&path).args(["config", name, value]).status().unwrap();
        assert!(status.success(), "git config {name}");
    }
    folder
}
