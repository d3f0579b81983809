//! Where the Pushgateway is, and the credentials for it: basic authentication, a bearer token, headers, certificates.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, ClientBuilder, Identity as ClientCertificate};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::args::GatewayArgs;
use common::args::non_empty;
use common::fs::bounded::{self, MAX_SMALL_BYTES};
use common::http;
use common::label::redact_url;
use common::secrets;

/// The address of a Pushgateway, with validated credentials.
#[derive(Clone)]
pub struct Endpoint {
    /// The URL, including a path in front of `/metrics`.
    pub(super) url: Url,
    headers: HeaderMap,
    /// Certificates to trust, PEM.
    authority: Option<String>,
    /// The certificate of the client with its key, PEM.
    certificate: Option<String>,
}

/// An endpoint with its secrets, for another process of this user.
#[derive(Serialize, Deserialize)]
pub(crate) struct PortableEndpoint {
    url: String,
    headers: Vec<(String, Vec<u8>)>,
    authority: Option<String>,
    certificate: Option<String>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without credentials.
        f.debug_tuple("Endpoint").field(&self.display_url()).finish()
    }
}

impl Endpoint {
    /// The Pushgateway at `url`, with the credentials from the flags.
    ///
    /// # Errors
    /// A secret or a certificate cannot be read, or the credentials contradict each other.
    pub fn new(url: Url, args: &GatewayArgs) -> Result<Self> {
        let mut headers = HeaderMap::new();
        let lines = secrets::read(non_empty(args.pushgateway_headers.as_ref()))?.unwrap_or_default();
        for line in lines.expose_secret().lines() {
            let (name, value) =
                header(line).context("--pushgateway-headers: write NAME: VALUE, one per line")?;
            headers.insert(name, value);
        }
        let user = non_empty(args.pushgateway_user.as_ref());
        let password = secrets::read(non_empty(args.pushgateway_password.as_ref()))?;
        let token = secrets::read(non_empty(args.pushgateway_token.as_ref()))?;
        if url.has_authority() && !url.username().is_empty() && (user.is_some() || token.is_some()) {
            bail!("the Pushgateway's URL already contains a user; use either the URL or the flags");
        }
        match (user, password, token) {
            (None, None, None) => {}
            (None, None, Some(token)) => {
                headers.insert(
                    AUTHORIZATION,
                    secrets::header_value(&format!("Bearer {}", token.expose_secret()))?,
                );
            }
            (Some(user), password, None) => {
                let password = password.unwrap_or_default();
                let pair = STANDARD.encode(format!("{user}:{}", password.expose_secret()));
                headers.insert(AUTHORIZATION, secrets::header_value(&format!("Basic {pair}"))?);
            }
            (None, Some(_), _) => bail!("--pushgateway-password needs --pushgateway-user"),
            (Some(_), _, Some(_)) => bail!("use either --pushgateway-user or --pushgateway-token, not both"),
        }
        let pem = |flag: &str, path: Option<PathBuf>| path.map(|path| read(&path, flag)).transpose();
        let authority = pem("--pushgateway-ca", non_empty(args.pushgateway_ca.as_ref()))?;
        let certificate = pem("--pushgateway-cert", non_empty(args.pushgateway_cert.as_ref()))?;
        let endpoint = Self { url, headers, authority, certificate };
        // Certificates are validated only when a client is built. The client that pushes is built after the work has
        // started, which is too late to report an error.
        let check = |builder: ClientBuilder, flag: &'static str| {
            let built = builder.build().map_err(http::describe_error).map_err(anyhow::Error::msg);
            built.map(drop).context(flag)
        };
        if let Some(found) = endpoint.authority()? {
            check(http::builder(false).tls_certs_merge(found), "--pushgateway-ca")?;
        }
        if let Some(found) = endpoint.certificate()? {
            check(http::builder(false).identity(found), "--pushgateway-cert")?;
        }
        Ok(endpoint)
    }

    fn authority(&self) -> Result<Option<Vec<Certificate>>> {
        let Some(text) = &self.authority else { return Ok(None) };
        let found = Certificate::from_pem_bundle(text.as_bytes()).ok().filter(|found| !found.is_empty());
        found.context("--pushgateway-ca contains no PEM certificates").map(Some)
    }

    fn certificate(&self) -> Result<Option<ClientCertificate>> {
        let Some(text) = &self.certificate else { return Ok(None) };
        let found = ClientCertificate::from_pem(text.as_bytes());
        found.context("--pushgateway-cert contains no PEM certificate with its key").map(Some)
    }

    /// The endpoint for another process of this user.
    pub(crate) fn to_portable(&self) -> PortableEndpoint {
        let headers = self.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
        PortableEndpoint {
            url: self.url.to_string(),
            headers: headers.collect(),
            authority: self.authority.clone(),
            certificate: self.certificate.clone(),
        }
    }

    /// The endpoint of the process that called [`Endpoint::to_portable`].
    ///
    /// # Errors
    /// It is damaged.
    pub(crate) fn from_portable(portable: PortableEndpoint) -> Result<Self> {
        let PortableEndpoint { url, headers, authority, certificate } = portable;
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let mut value = HeaderValue::from_bytes(&value)?;
            value.set_sensitive(true);
            map.append(name.parse::<HeaderName>()?, value);
        }
        Ok(Self { url: Url::parse(&url)?, headers: map, authority, certificate })
    }

    /// An HTTP client with the credentials.
    pub(super) fn client(&self) -> Result<Client> {
        let mut builder = http::builder(self.url.scheme() == "https").default_headers(self.headers.clone());
        if let Some(authority) = self.authority()? {
            builder = builder.tls_certs_merge(authority);
        }
        if let Some(certificate) = self.certificate()? {
            builder = builder.identity(certificate);
        }
        builder.build().context("cannot set up an HTTP client for the Pushgateway")
    }

    /// The URL without secrets.
    pub fn display_url(&self) -> String {
        redact_url(&self.url)
    }
}

fn read(path: &Path, flag: &str) -> Result<String> {
    let bytes = bounded::read(path, MAX_SMALL_BYTES);
    let bytes = bytes.with_context(|| format!("{flag}: cannot read {}", path.display()))?;
    // What is not UTF-8 is a comment.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn header(line: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(':')?;
    Some((name.trim().parse().ok()?, secrets::header_value(value.trim()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::args::EmptyAsNone;

    #[expect(clippy::unnecessary_wraps, reason = "the shape of a flag")]
    fn flag<T: From<String>>(text: &str) -> Option<EmptyAsNone<T>> {
        Some(EmptyAsNone(Some(text.to_owned().into())))
    }

    fn endpoint(args: &GatewayArgs) -> Result<Endpoint> {
        Endpoint::new(Url::parse("http://h/prefix").unwrap(), args)
    }

    #[test]
    fn secrets_come_from_files_and_are_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        common::fs::atomic::write(&path, b"s3cret\n").unwrap();
        let args = GatewayArgs {
            pushgateway_token: flag(&format!("file:{}", path.display())),
            pushgateway_headers: flag("X-Scope-OrgID: shop\nX-Other: hunter3"),
            ..GatewayArgs::default()
        };
        let endpoint = endpoint(&args).unwrap();
        assert_eq!(endpoint.headers[AUTHORIZATION], "Bearer s3cret");
        assert_eq!(endpoint.headers["x-scope-orgid"], "shop");
        let output = format!("{endpoint:?} {:?}", endpoint.headers);
        assert!(!output.contains("hunter") && !output.contains("s3cret"), "{output}");
        let url = Url::parse("http://user:hunter2@h/prefix").unwrap();
        let endpoint = Endpoint::new(url.clone(), &GatewayArgs::default()).unwrap();
        assert_eq!(format!("{endpoint:?}"), "Endpoint(\"http://***@h/prefix\")");
        assert!(Endpoint::new(url, &args).unwrap_err().to_string().contains("already contains a user"));
    }

    #[test]
    fn another_process_gets_the_same_endpoint() {
        let args = GatewayArgs { pushgateway_token: flag("t"), ..Default::default() };
        let endpoint = endpoint(&args).unwrap();
        let text = serde_json::to_string(&endpoint.to_portable()).unwrap();
        let same = Endpoint::from_portable(serde_json::from_str(&text).unwrap()).unwrap();
        assert_eq!((&same.url, &same.headers), (&endpoint.url, &endpoint.headers));
        assert!(same.headers.values().all(HeaderValue::is_sensitive));
    }

    #[test]
    fn contradictory_credentials_are_an_error() {
        let both =
            GatewayArgs { pushgateway_user: flag("u"), pushgateway_token: flag("t"), ..Default::default() };
        assert!(endpoint(&both).unwrap_err().to_string().contains("not both"));
        let missing = GatewayArgs { pushgateway_token: flag("file:/no/such/file"), ..Default::default() };
        assert!(endpoint(&missing).unwrap_err().to_string().contains("/no/such/file"));
        let bad = GatewayArgs { pushgateway_headers: flag("hunter2"), ..Default::default() };
        let message = format!("{:#}", endpoint(&bad).unwrap_err());
        assert!(message.contains("NAME: VALUE") && !message.contains("hunter2"), "{message}");
    }
}
