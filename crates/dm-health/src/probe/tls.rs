//! TLS connections, verified with the machine's root certificates.

use std::sync::Arc;

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::pki_types::ServerName;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::phase_timer::{Phase, PhaseTimer};
use crate::failure::Failure;

/// TLS connectors, one per application protocol.
#[derive(Clone)]
pub(super) struct Connectors {
    /// HTTP/1.1.
    pub(super) http: TlsConnector,
    /// gRPC.
    pub(super) grpc: TlsConnector,
}

/// Loads the root certificates and makes the cryptography ready, once for all probes and before the first.
pub(super) fn connectors() -> Result<Connectors> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(common::tls::provider()))
        .with_safe_default_protocol_versions()
        .and_then(BuilderVerifierExt::with_platform_verifier)
        .context("cannot load the root certificates")?
        .with_no_client_auth();
    // A resumed session would not check the certificate again.
    config.resumption = Resumption::disabled();
    let connector = |protocol: &[u8]| {
        let mut config = config.clone();
        config.alpn_protocols = vec![protocol.to_vec()];
        TlsConnector::from(Arc::new(config))
    };
    Ok(Connectors { http: connector(b"http/1.1"), grpc: connector(b"h2") })
}

/// Performs the TLS handshake on a new connection.
pub(super) async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
    connector: &TlsConnector,
    name: ServerName<'static>,
    stream: S,
    timer: &mut PhaseTimer<'_>,
) -> Result<TlsStream<S>, Failure> {
    timer.enter(Phase::Tls);
    connector.connect(name, stream).await.map_err(|error| Failure::no_tls(&error))
}

/// The earliest expiry of the certificates that the server sent.
pub(super) fn first_expiry<S>(stream: &TlsStream<S>) -> Option<DateTime<Utc>> {
    let (_, session) = stream.get_ref();
    let expiries = session.peer_certificates()?.iter().filter_map(|certificate| {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        DateTime::from_timestamp(certificate.validity().not_after.timestamp(), 0)
    });
    expiries.min()
}
