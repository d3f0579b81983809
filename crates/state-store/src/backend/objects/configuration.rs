//! The client of an object store, from the variables that the platform's own tools use.

use std::str::FromStr;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{ClientConfigKey, Error, ObjectStore, RetryConfig};
use url::Url;

/// For each of the requests, of which the first may be for credentials.
const TIMEOUTS: [(ClientConfigKey, &str); 2] =
    [(ClientConfigKey::ConnectTimeout, "3s"), (ClientConfigKey::Timeout, "8s")];

/// What Azure's command line calls differently.
const AZURE_NAMES: [(&str, &str); 2] = [
    ("AZURE_STORAGE_ACCOUNT", "azure_storage_account_name"),
    ("AZURE_STORAGE_KEY", "azure_storage_account_key"),
];

/// Where an identity of Azure's App Service is; object_store knows it by another name.
const AZURE_IDENTITY: &str = "IDENTITY_ENDPOINT";

/// The client for the bucket of `url`. Does not connect.
pub(super) fn build(
    url: &Url,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<Box<dyn ObjectStore>, Error> {
    let bucket = url.host_str().unwrap_or_default();
    // Retries are in one place, which knows that a write may have taken effect.
    let retry = RetryConfig { max_retries: 0, ..RetryConfig::default() };
    let variables: Vec<_> = variables.filter(|(_, value)| !value.is_empty()).collect();
    let platform = match url.scheme() {
        "gs" => "GOOGLE_",
        "az" => "AZURE_",
        _ => "AWS_",
    };
    // The client refuses http unless it is told that this is meant, and an endpoint with http is no slip.
    let allow_http = names_http(&variables, platform).then_some((ClientConfigKey::AllowHttp, "true"));
    let settings = || TIMEOUTS.into_iter().chain(allow_http);
    let variables = variables.into_iter();
    Ok(match url.scheme() {
        "gs" => {
            let mut builder = GoogleCloudStorageBuilder::new();
            for (key, value) in settings() {
                builder = builder.with_config(GoogleConfigKey::Client(key), value);
            }
            for (key, value) in known(variables, platform) {
                builder = builder.with_config(key, value);
            }
            Box::new(builder.with_bucket_name(bucket).with_retry(retry).build()?)
        }
        "az" => {
            let mut builder = MicrosoftAzureBuilder::new();
            for (key, value) in settings() {
                builder = builder.with_config(AzureConfigKey::Client(key), value);
            }
            for (key, value) in known(variables.map(with_azure_name), platform) {
                builder = builder.with_config(key, value);
            }
            Box::new(builder.with_container_name(bucket).with_retry(retry).build()?)
        }
        _ => {
            let mut builder = AmazonS3Builder::new();
            for (key, value) in settings() {
                builder = builder.with_config(AmazonS3ConfigKey::Client(key), value);
            }
            for (key, value) in known(variables, platform) {
                builder = builder.with_config(key, value);
            }
            let builder = builder.with_conditional_put(S3ConditionalPut::ETagMatch);
            Box::new(builder.with_bucket_name(bucket).with_retry(retry).build()?)
        }
    })
}

/// Whether a variable of the platform names an endpoint with `http`.
fn names_http(variables: &[(String, String)], platform: &str) -> bool {
    let is_endpoint = |name: &str| name.starts_with(platform) && name.contains("ENDPOINT");
    variables.iter().any(|(name, value)| is_endpoint(name) && value.starts_with("http://"))
}

/// The variables of a platform that its client knows.
fn known<K: FromStr>(
    variables: impl Iterator<Item = (String, String)>,
    prefix: &str,
) -> impl Iterator<Item = (K, String)> {
    variables
        .filter(move |(name, _)| name.starts_with(prefix))
        .filter_map(|(name, value)| Some((name.to_ascii_lowercase().parse().ok()?, value)))
}

fn with_azure_name((name, value): (String, String)) -> (String, String) {
    if name == AZURE_IDENTITY {
        return (format!("AZURE_{AZURE_IDENTITY}"), value);
    }
    match AZURE_NAMES.iter().find(|(known, _)| *known == name) {
        Some((_, other)) => (other.to_ascii_uppercase(), value),
        None => (name, value),
    }
}
