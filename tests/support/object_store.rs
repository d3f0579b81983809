//! Servers that speak the protocols of S3 and of Azure's blob storage, with their data in memory.

use std::path::PathBuf;
use std::process::Command;

use crate::bin;
use crate::server::{Server, client};

/// The bucket and the container that exist.
pub const BUCKET: &str = "deployments";

/// Creates a container: the request needs a signature. Everybody knows the account of the emulator.
const CREATE_CONTAINER: &str = r"
const [address, container, account, key, access] = process.argv.slice(1);
const date = new Date().toUTCString();
const text = ['PUT', ...Array(11).fill(''), ...(access ? [`x-ms-blob-public-access:${access}`] : []), `x-ms-date:${date}`, 'x-ms-version:2021-08-06',
  `/${account}/${account}/${container}`, 'restype:container'].join('\n');
const signature = require('crypto').createHmac('sha256', Buffer.from(key, 'base64')).update(text).digest('base64');
const headers = { ...(access && { 'x-ms-blob-public-access': access }), 'x-ms-date': date, 'x-ms-version': '2021-08-06', Authorization: `SharedKey ${account}:${signature}` };
fetch(`http://${address}/${account}/${container}?restype=container`, { method: 'PUT', headers })
  .then(async (response) => { if (!response.ok) { console.error(await response.text()); process.exit(1); } });
";

/// moto takes the service and the region from this header, and does not check the signature.
const CREDENTIAL: &str = "AWS4-HMAC-SHA256 Credential=test/20240101/us-east-1/s3/aws4_request, \
                          SignedHeaders=host, Signature=0";

/// The account of the emulator, and its key.
pub const AZURE_ACCOUNT: [&str; 2] = [
    "devstoreaccount1",
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
];

/// An object store with an empty bucket, and the variables that lead to it.
#[derive(Debug)]
pub struct ObjectStore {
    server: Server,
    /// What a tool needs in its environment.
    pub variables: Vec<(String, String)>,
}

impl ObjectStore {
    /// S3, by moto. It accepts every key.
    pub fn s3() -> Self {
        let mut command = Command::new(installed("moto/bin/python"));
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/support/s3_server.py")).args([
            "-H",
            "127.0.0.1",
            "-p",
            "0",
        ]);
        let server = Server::start(command, |line| Some(line.split_once("Running on http://")?.1.to_owned()));
        let request =
            client().put(format!("{}/{BUCKET}", server.url())).header("Authorization", CREDENTIAL).body("");
        request.send().unwrap().error_for_status().unwrap();
        let variables = [
            ("AWS_ENDPOINT_URL", server.url().as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "hunter2-of-the-tests"),
            ("AWS_REGION", "us-east-1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        Self { server, variables }
    }

    /// Azure's blob storage, by Azurite. It checks signatures.
    pub fn azure() -> Self {
        Self::azure_with("")
    }

    /// The same, with a container that everybody may read: the tests look into it without the tools.
    pub fn public_azure() -> Self {
        Self::azure_with("container")
    }

    fn azure_with(access: &str) -> Self {
        let mut command = Command::new(installed("azurite/node_modules/.bin/azurite-blob"));
        command.args([
            "--blobPort",
            "0",
            "--skipApiVersionCheck",
            "--inMemoryPersistence",
            "--disableTelemetry",
        ]);
        let server = Server::start(command, |line| {
            Some(line.split_once("successfully listens on http://")?.1.to_owned())
        });
        let [account, key] = AZURE_ACCOUNT;
        let mut create = Command::new("node");
        create.args(["-e", CREATE_CONTAINER, &server.address, BUCKET, account, key, access]);
        assert!(create.status().unwrap().success(), "Azurite does not create a container");
        let variables = [
            ("AZURE_STORAGE_ENDPOINT", format!("{}/{account}", server.url())),
            ("AZURE_ALLOW_HTTP", "true".to_owned()),
            ("AZURE_STORAGE_ACCOUNT", account.to_owned()),
            ("AZURE_STORAGE_KEY", key.to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec();
        Self { server, variables }
    }
}

impl ObjectStore {
    /// The address of the server.
    pub fn address(&self) -> &str {
        &self.server.address
    }

    /// The same store, reached through a proxy at this URL.
    pub fn variables_through(&self, proxy: &str) -> Vec<(String, String)> {
        let through = |value: &str| value.replace(&self.server.url(), proxy);
        self.variables.iter().map(|(name, value)| (name.clone(), through(value))).collect()
    }

    /// Writes an object to S3 without the tools.
    pub fn write(&self, key: &str, content: Vec<u8>) {
        let request = client().put(format!("{}/{BUCKET}/{key}", self.server.url())).body(content);
        request.header("Authorization", CREDENTIAL).send().unwrap().error_for_status().unwrap();
    }

    /// Reads an object without the tools; `None` if there is none.
    pub fn read(&self, key: &str) -> Option<Vec<u8>> {
        let is_azure = self.variables.iter().any(|(name, _)| name == "AZURE_STORAGE_ACCOUNT");
        let account = if is_azure { format!("/{}", AZURE_ACCOUNT[0]) } else { String::new() };
        let mut request = client().get(format!("{}{account}/{BUCKET}/{key}", self.server.url()));
        if !is_azure {
            request = request.header("Authorization", CREDENTIAL);
        }
        let response = request.send().unwrap();
        let found = response.status() != reqwest::StatusCode::NOT_FOUND;
        found.then(|| response.error_for_status().unwrap().bytes().unwrap().to_vec())
    }
}

fn installed(program: &str) -> PathBuf {
    let path = bin::build().join("test-servers/object-stores").join(program);
    assert!(path.exists(), "{} is not there: ./scripts/test.sh installs it", path.display());
    path
}
