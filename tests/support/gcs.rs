//! A fake of Google Cloud Storage: of its XML API, as far as it is documented and the tools use it. The emulators
//! (`fake-gcs-server`, `gcp-storage-emulator`) ignore or refuse `x-goog-if-generation-match` on a PUT of this API.
//!
//! | request | response |
//! | --- | --- |
//! | `PUT /BUCKET/KEY` with `x-goog-if-generation-match: 0` | 412 if the object exists |
//! | `PUT /BUCKET/KEY` with `x-goog-if-generation-match: N` | 412 unless the object has the generation N |
//! | `GET /BUCKET/KEY` | the object, with `x-goog-generation` and `ETag`, or 404 |
//! | `GET /BUCKET?list-type=2&prefix=…` | the keys in order |
//!
//! A generation is never used again, also not if the object gets an earlier content.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use reqwest::Url;

use crate::fault::{Recording, Request, answer};
use crate::object_store::BUCKET;

#[derive(Debug, Default)]
struct Objects {
    objects: BTreeMap<String, (u64, String)>,
    last_generation: u64,
}

/// The fake, with an empty bucket.
#[derive(Debug)]
pub struct GoogleStorage {
    server: Recording,
    objects: Arc<Mutex<Objects>>,
}

impl Default for GoogleStorage {
    fn default() -> Self {
        let objects = Arc::new(Mutex::new(Objects::default()));
        let shared = Arc::clone(&objects);
        let server = Recording::answering_all(move |request| respond(request, &mut shared.lock().unwrap()));
        Self { server, objects }
    }
}

impl GoogleStorage {
    /// Starts one.
    pub fn start() -> Self {
        Self::default()
    }

    /// What a tool needs in its environment.
    pub fn variables(&self) -> Vec<(String, String)> {
        let account = serde_json::json!({
            "gcs_base_url": self.server.url, "disable_oauth": true,
            "client_email": "", "private_key": "", "private_key_id": "",
        });
        [("GOOGLE_SERVICE_ACCOUNT_KEY", account.to_string()), ("GOOGLE_ALLOW_HTTP", "true".to_owned())]
            .map(|(name, value)| (name.to_owned(), value))
            .to_vec()
    }

    /// An object; `None` if there is none.
    pub fn read(&self, key: &str) -> Option<Vec<u8>> {
        let objects = self.objects.lock().unwrap();
        objects.objects.get(key).map(|(_, content)| content.clone().into_bytes())
    }
}

fn respond(request: &Request, store: &mut Objects) -> String {
    let first = request.head.lines().next().unwrap_or_default();
    let mut words = first.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let url = Url::parse(&format!("http://host{target}")).unwrap();
    let Some(key) = url.path().strip_prefix(&format!("/{BUCKET}")) else {
        return refusal("404 Not Found", "NoSuchBucket");
    };
    let key = decode(key.trim_start_matches('/'));
    if method == "GET" && key.is_empty() {
        return list(&url, store);
    }
    let present = store.objects.get(&key);
    if method == "GET" {
        let Some((generation, content)) = present else { return refusal("404 Not Found", "NoSuchKey") };
        return found(*generation, content);
    }
    let expected = header(&request.head, "x-goog-if-generation-match");
    let generation = present.map_or(0, |(generation, _)| *generation);
    if expected.is_some_and(|expected| expected != generation.to_string()) {
        return refusal("412 Precondition Failed", "PreconditionFailed");
    }
    store.last_generation += 1;
    let content = String::from_utf8(request.body.clone()).unwrap();
    store.objects.insert(key, (store.last_generation, content));
    found(store.last_generation, "")
}

fn list(url: &Url, store: &Objects) -> String {
    let prefix = url.query_pairs().find(|(name, _)| name == "prefix").map(|(_, value)| value.into_owned());
    let prefix = prefix.unwrap_or_default();
    let listed = store.objects.iter().filter(|(key, _)| key.starts_with(&prefix));
    let entries: Vec<String> = listed
        .map(|(key, (generation, content))| {
            format!(
                "<Contents><Key>{key}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified>\
                 <ETag>\"{generation}\"</ETag><Size>{}</Size></Contents>",
                content.len()
            )
        })
        .collect();
    answer("200 OK", &format!("<ListBucketResult>{}</ListBucketResult>", entries.concat()))
}

fn found(generation: u64, content: &str) -> String {
    let headers = format!(
        "200 OK\r\nx-goog-generation: {generation}\r\nETag: \"{generation}\"\r\n\
         Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT"
    );
    answer(&headers, content)
}

fn refusal(status: &str, code: &str) -> String {
    answer(status, &format!("<Error><Code>{code}</Code></Error>"))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut headers = head.lines().filter_map(|line| line.split_once(':'));
    headers.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// Decodes percent signs; a plus sign stands for itself.
fn decode(path: &str) -> String {
    let query = format!("http://host?key={}", path.replace('+', "%2B"));
    Url::parse(&query).unwrap().query_pairs().next().map(|(_, key)| key.into_owned()).unwrap_or_default()
}
