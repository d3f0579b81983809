//! Servers that speak the protocols of S3 and of Azure's blob storage, with their data in memory.

use std::path::PathBuf;
use std::process::Command;

use crate::bin;
use crate::server::{Server, client};

/// The bucket and the container that exist.
pub const BUCKET: &str = "deployments";

/// Creates a container: the request needs a signature. Everybody knows the account of the emulator.
const CREATE_CONTAINER: &str = r"
const [address, container, account, key] = process.argv.slice(1);
const date = new Date().toUTCString();
const text = ['PUT', ...Array(11).fill(''), `x-ms-date:${date}`, 'x-ms-version:2021-08-06',
  `/${account}/${account}/${container}`, 'restype:container'].join('\n');
const signature = require('crypto').createHmac('sha256', Buffer.from(key, 'base64')).update(text).digest('base64');
const headers = { 'x-ms-date': date, 'x-ms-version': '2021-08-06', Authorization: `SharedKey ${account}:${signature}` };
fetch(`http://${address}/${account}/${container}?restype=container`, { method: 'PUT', headers })
  .then(async (response) => { if (!response.ok) { console.error(await response.text()); process.exit(1); } });
";

/// The account of the emulator, and its key.
pub const AZURE_ACCOUNT: [&str; 2] = [
    "devstoreaccount1",
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
];

/// An object store with an empty bucket, and the variables that lead to it.
#[derive(Debug)]
pub struct ObjectStore {
    _server: Server,
    /// What a tool needs in its environment.
    pub variables: Vec<(String, String)>,
}

impl ObjectStore {
    /// S3, by moto. It accepts every key.
    pub fn s3() -> Self {
        let mut command = Command::new(installed("moto/bin/moto_server"));
        command.args(["-H", "127.0.0.1", "-p", "0"]);
        let server = Server::start(command, |line| Some(line.split_once("Running on http://")?.1.to_owned()));
        // moto takes the service and the region from the header, and does not check the signature.
        let credential = "AWS4-HMAC-SHA256 Credential=test/20240101/us-east-1/s3/aws4_request, \
                          SignedHeaders=host, Signature=0";
        let request =
            client().put(format!("{}/{BUCKET}", server.url())).header("Authorization", credential).body("");
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
        Self { _server: server, variables }
    }

    /// Azure's blob storage, by Azurite. It checks signatures.
    pub fn azure() -> Self {
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
        create.args(["-e", CREATE_CONTAINER, &server.address, BUCKET, account, key]);
        assert!(create.status().unwrap().success(), "Azurite does not create a container");
        let variables = [
            ("AZURE_STORAGE_ENDPOINT", format!("{}/{account}", server.url())),
            ("AZURE_ALLOW_HTTP", "true".to_owned()),
            ("AZURE_STORAGE_ACCOUNT", account.to_owned()),
            ("AZURE_STORAGE_KEY", key.to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec();
        Self { _server: server, variables }
    }
}

fn installed(program: &str) -> PathBuf {
    let path = bin::build().join("test-servers/object-stores").join(program);
    assert!(path.exists(), "{} is not there: ./scripts/test.sh installs it", path.display());
    path
}
