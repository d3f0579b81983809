//! A server of releases: GitHub's, as far as an installation needs it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::fault::{read_request, serve};

/// The repository of its releases.
pub const REPOSITORY: &str = "team/dm";

/// A server whose threads end with the process of the test.
#[derive(Debug)]
pub struct ReleaseServer {
    /// Its URL.
    pub url: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl ReleaseServer {
    /// Serves `FOLDER/VERSION/FILE` as the files of releases. With a token, the repository is private: its files are to be
    /// had through the API, with this token.
    pub fn start(folder: &Path, token: Option<&'static str>) -> Self {
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (recorded, folder) = (Arc::clone(&heads), folder.to_owned());
        let url = serve(move |stream| {
            if let Some((request, mut stream)) = read_request(stream) {
                let found = find(&folder, &request.head, token);
                recorded.lock().unwrap().push(request.head);
                let status = if found.is_some() { "200 OK" } else { "404 Not Found" };
                let body = found.unwrap_or_default();
                let length = body.len();
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
                );
                let _ = stream.write_all(&body);
            }
        });
        Self { url, heads }
    }

    /// The heads of the requests so far.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// The last part of each path that was asked for, and forgets the requests.
    pub fn take_names(&self) -> Vec<String> {
        let heads = std::mem::take(&mut *self.heads.lock().unwrap());
        let name = |head: &String| Some(path(head)?.rsplit('/').next()?.to_owned());
        heads.iter().filter_map(name).collect()
    }
}

fn path(head: &str) -> Option<&str> {
    head.split(' ').nth(1)
}

/// The bytes that a request asks for.
fn find(folder: &Path, head: &str, token: Option<&str>) -> Option<Vec<u8>> {
    let path = path(head)?;
    let Some(token) = token else {
        let file = path.strip_prefix(&format!("/{REPOSITORY}/releases/download/v"))?;
        return fs::read(folder.join(file)).ok();
    };
    let authorized = format!("authorization: bearer {token}").to_lowercase();
    if !head.to_lowercase().contains(&authorized) {
        return None;
    }
    let releases = path.strip_prefix(&format!("/repos/{REPOSITORY}/releases/"))?;
    match releases.split_once('/')? {
        ("tags", tag) => {
            let version = tag.strip_prefix('v')?;
            let host = head
                .lines()
                .find_map(|line| line.to_lowercase().strip_prefix("host: ").map(str::to_owned))?;
            // In GitHub's order: the address of an asset comes before its name.
            let asset = |(number, file): (usize, &PathBuf)| {
                let name = file.file_name().unwrap().to_str().unwrap();
                format!(
                    r#"{{"url":"http://{host}/repos/{REPOSITORY}/releases/assets/{number}","id":{number},"name":"{name}","uploader":{{"login":"someone","url":"https://api.github.com/users/someone"}}}}"#
                )
            };
            let assets: Vec<_> = files(&folder.join(version)).iter().enumerate().map(asset).collect();
            Some(format!(r#"{{"tag_name":"{tag}","assets":[{}]}}"#, assets.join(",")).into_bytes())
        }
        ("assets", number) => {
            let versions = files(folder);
            let file = files(versions.first()?).get(number.parse::<usize>().ok()?)?.clone();
            fs::read(file).ok()
        }
        _ => None,
    }
}

/// The entries of a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        folder.read_dir().into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    files
}
