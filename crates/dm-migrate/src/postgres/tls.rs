//! TLS to the database, with the verification that `sslmode` requires.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls_platform_verifier::Verifier as PlatformVerifier;
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::address::{Tls, Trust};

/// The TLS connector for a level of trust, and with the client's certificate, if it has one.
pub(super) fn connector(tls: &Tls) -> Result<MakeRustlsConnect> {
    let trust = &tls.trust;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let authorities = match trust {
        Trust::Anyone => None,
        Trust::Authority(file) | Trust::Host(file) => Some(verifier(file.as_deref(), &provider)?),
    };
    let verifier = Verifier { authorities, any_host: !matches!(trust, Trust::Host(_)), provider };
    let config = ClientConfig::builder_with_provider(Arc::clone(&verifier.provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let config = match &tls.identity {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => {
            let failed = || {
                format!(
                    "cannot use the client certificate {} with the key {}",
                    certificate.display(),
                    key.display()
                )
            };
            let chain = CertificateDer::pem_file_iter(certificate).with_context(failed)?;
            let chain = chain.collect::<Result<Vec<_>, _>>().with_context(failed)?;
            let key = PrivateKeyDer::from_pem_file(key).with_context(failed)?;
            config.with_client_auth_cert(chain, key).with_context(failed)?
        }
    };
    Ok(MakeRustlsConnect::new(config))
}

/// A verifier that trusts the authorities in a PEM file, or those of the machine if there is none.
fn verifier(file: Option<&Path>, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>> {
    let Some(file) = file else {
        return Ok(Arc::new(PlatformVerifier::new(Arc::clone(provider))?));
    };
    let failed = || format!("cannot read the certificates in {}", file.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).with_context(failed)? {
        roots.add(certificate.with_context(failed)?)?;
    }
    let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    Ok(builder.build().with_context(failed)?)
}

/// The three levels of libpq: verify nothing, the authority, or the authority and the host.
#[derive(Debug)]
struct Verifier {
    authorities: Option<Arc<dyn ServerCertVerifier>>,
    any_host: bool,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(authorities) = &self.authorities else { return Ok(ServerCertVerified::assertion()) };
        match authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.any_host => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
