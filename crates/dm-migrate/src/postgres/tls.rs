//! TLS to the database, with the verification that `sslmode` requires.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use common::tls::{Verifier, authorities, identity};
use rustls_platform_verifier::Verifier as PlatformVerifier;
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::crypto::aws_lc_rs;

use super::address::{Tls, Trust};

/// The TLS connector for a level of trust, and with the client's certificate, if it has one. The levels are the three of
/// libpq.
pub(super) fn connector(tls: &Tls) -> Result<MakeRustlsConnect> {
    let trust = &tls.trust;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let authorities: Option<Arc<dyn ServerCertVerifier>> = match trust {
        Trust::Anyone => None,
        Trust::Authority(Some(file)) | Trust::Host(Some(file)) => Some(authorities(file, &provider)?),
        Trust::Authority(None) | Trust::Host(None) => {
            Some(Arc::new(PlatformVerifier::new(Arc::clone(&provider))?))
        }
    };
    let verifier = Verifier { authorities, any_host: !matches!(trust, Trust::Host(_)), provider };
    let config = ClientConfig::builder_with_provider(Arc::clone(&verifier.provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let config = match &tls.identity {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => {
            let (chain, own_key) = identity(certificate, key)?;
            let failed = || format!("the key {} does not fit the client certificate", key.display());
            config.with_client_auth_cert(chain, own_key).with_context(failed)?
        }
    };
    Ok(MakeRustlsConnect::new(config))
}
