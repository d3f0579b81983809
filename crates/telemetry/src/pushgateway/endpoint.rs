//! Where the gateway is, and how to be let in: basic authentication, a bearer token, headers, certificates.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, Identity as ClientCertificate};
use url::Url;

use crate::args::GatewayArgs;
use common::args::non_empty;
use common::http;
use common::label::redact_url;
use common::secrets;

/// A gateway that can be reached. Everything about it is checked.
#[derive(Clone)]
pub struct Endpoint {
    /// Its URL, a path in front of `/metrics` included.
    pub url: Url,
    headers: HeaderMap,
    authority: Vec<Certificate>,
    certificate: Option<ClientCertificate>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nothing of what it holds to be let in with.
        f.debug_tuple("Endpoint").field(&self.shown()).finish()
    }
}

impl Endpoint {
    /// The gateway at `url`, with what the flags say of how to be let in.
    pub fn new(url: Url, args: &GatewayArgs) -> Result<Self> {
        let mut headers = HeaderMap::new();
        for line in secrets::read(non_empty(args.pushgateway_headers.as_ref()))?.unwrap_or_default().lines() {
            let (name, value) =
                header(line).context("--pushgateway-headers: write NAME: VALUE, one a line")?;
            headers.insert(name, value);
        }
        let user = non_empty(args.pushgateway_user.as_ref());
        let password = secrets::read(non_empty(args.pushgateway_password.as_ref()))?;
        let token = secrets::read(non_empty(args.pushgateway_token.as_ref()))?;
        if url.has_authority() && !url.username().is_empty() && (user.is_some() || token.is_some()) {
            bail!("the Pushgateway's URL names a user already: give it there or by flags, not both");
        }
        match (user, password, token) {
            (None, None, None) => {}
            (None, None, Some(token)) => {
                headers.insert(AUTHORIZATION, secrets::header_value(&format!("Bearer {token}"))?);
            }
            (Some(user), password, None) => {
                let pair = STANDARD.encode(format!("{user}:{}", password.unwrap_or_default()));
                headers.insert(AUTHORIZATION, secrets::header_value(&format!("Basic {pair}"))?);
            }
            (None, Some(_), _) => bail!("--pushgateway-password needs --pushgateway-user"),
            (Some(_), _, Some(_)) => bail!("give --pushgateway-user or --pushgateway-token, not both"),
        }
        let pem = |flag: &str, path: Option<PathBuf>| path.map(|path| read(&path, flag)).transpose();
        let authority = match pem("--pushgateway-ca", non_empty(args.pushgateway_ca.as_ref()))? {
            Some(bytes) => {
                let found = Certificate::from_pem_bundle(&bytes).ok().filter(|found| !found.is_empty());
                found.context("--pushgateway-ca holds no PEM certificates")?
            }
            None => Vec::new(),
        };
        let certificate = pem("--pushgateway-cert", non_empty(args.pushgateway_cert.as_ref()))?
            .map(|bytes| ClientCertificate::from_pem(&bytes))
            .transpose()
            .context("--pushgateway-cert holds no PEM certificate with its key")?;
        // Only a client looks into certificates, and the one that pushes is built when the work is running already.
        if !authority.is_empty() {
            let client = http::builder(false).tls_certs_merge(authority.clone()).build();
            client.map_err(http::describe_error).map_err(anyhow::Error::msg).context("--pushgateway-ca")?;
        }
        if let Some(certificate) = &certificate {
            let client = http::builder(false).identity(certificate.clone()).build();
            client.map_err(http::describe_error).map_err(anyhow::Error::msg).context("--pushgateway-cert")?;
        }
        Ok(Self { url, headers, authority, certificate })
    }

    /// A client that is let in.
    pub(super) fn client(&self) -> Result<Client> {
        let mut builder = http::builder(self.url.scheme() == "https").default_headers(self.headers.clone());
        if !self.authority.is_empty() {
            builder = builder.tls_certs_merge(self.authority.clone());
        }
        if let Some(certificate) = &self.certificate {
            builder = builder.identity(certificate.clone());
        }
        builder.build().context("cannot set up an HTTP client for the Pushgateway")
    }

    /// The URL as it may be shown.
    pub fn shown(&self) -> String {
        redact_url(&self.url)
    }
}

fn read(path: &Path, flag: &str) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("{flag}: cannot read {}", path.display()))
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
    fn flag(text: &str) -> Option<EmptyAsNone<String>> {
        Some(EmptyAsNone(Some(text.to_owned())))
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
        let shown = format!("{endpoint:?} {:?}", endpoint.headers);
        assert!(!shown.contains("hunter") && !shown.contains("s3cret"), "{shown}");
        let url = Url::parse("http://user:hunter2@h/prefix").unwrap();
        let endpoint = Endpoint::new(url.clone(), &GatewayArgs::default()).unwrap();
        assert_eq!(format!("{endpoint:?}"), "Endpoint(\"http://***@h/prefix\")");
        assert!(Endpoint::new(url, &args).unwrap_err().to_string().contains("names a user already"));
    }

    #[test]
    fn what_does_not_fit_together_is_told() {
        let both =
            GatewayArgs { pushgateway_user: flag("u"), pushgateway_token: flag("t"), ..Default::default() };
        assert!(endpoint(&both).unwrap_err().to_string().contains("not both"));
        let missing = GatewayArgs { pushgateway_token: flag("file:/no/such/file"), ..Default::default() };
        assert!(endpoint(&missing).unwrap_err().to_string().contains("/no/such/file"));
        let bad = GatewayArgs { pushgateway_headers: flag("hunter2"), ..Default::default() };
        let told = format!("{:#}", endpoint(&bad).unwrap_err());
        assert!(told.contains("NAME: VALUE") && !told.contains("hunter2"), "{told}");
    }
}
