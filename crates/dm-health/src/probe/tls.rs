//! TLS, verified as the machine verifies it.

use std::sync::Arc;

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::ServerName;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::failure::Failure;
use super::timeline::{Phase, Timeline};

/// What speaks TLS, for each protocol inside it.
#[derive(Clone)]
pub(super) struct Connectors {
    /// HTTP/1.1.
    pub(super) http: TlsConnector,
    /// gRPC.
    pub(super) grpc: TlsConnector,
}

/// Loads the root certificates; once for all probes.
pub(super) fn connectors() -> Result<Connectors> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(BuilderVerifierExt::with_platform_verifier)
        .context("cannot load the root certificates")?
        .with_no_client_auth();
    // Every probe is a stranger: a resumed session would not look at the certificate again.
    config.resumption = Resumption::disabled();
    let speaking = |protocol: &[u8]| {
        let mut config = config.clone();
        config.alpn_protocols = vec![protocol.to_vec()];
        TlsConnector::from(Arc::new(config))
    };
    Ok(Connectors { http: speaking(b"http/1.1"), grpc: speaking(b"h2") })
}

/// The TLS handshake, on a connection that was just made.
pub(super) async fn handshake(
    connector: &TlsConnector,
    name: ServerName<'static>,
    tcp: TcpStream,
    timeline: &mut Timeline<'_>,
) -> Result<TlsStream<TcpStream>, Failure> {
    timeline.enter(Phase::Tls);
    let stream = connector.connect(name, tcp).await.map_err(|error| Failure::no_tls(&error))?;
    Ok(stream)
}

/// When the first of the certificates ends that the server sent.
pub(super) fn first_end(stream: &TlsStream<TcpStream>) -> Option<DateTime<Utc>> {
    let (_, session) = stream.get_ref();
    let ends = session.peer_certificates()?.iter().filter_map(|certificate| {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        DateTime::from_timestamp(certificate.validity().not_after.timestamp(), 0)
    });
    ends.min()
}
