//! TLS connections, verified with the machine's root certificates.

use std::sync::Arc;

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use common::tls::{Verifier, authorities, identity};
use dm_smoke::Tls;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
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
    /// A database, which has no name for its protocol.
    pub(super) database: TlsConnector,
}

/// Loads the certificates and makes the cryptography ready, once for all probes and before the first. Without settings,
/// the machine's authorities are trusted.
pub(super) fn connectors(settings: Option<&Tls>) -> Result<Connectors> {
    let mut config = config(settings)?;
    // A resumed session would not check the certificate again.
    config.resumption = Resumption::disabled();
    let connector = |protocol: &[u8]| {
        let mut config = config.clone();
        config.alpn_protocols = vec![protocol.to_vec()];
        TlsConnector::from(Arc::new(config))
    };
    let database = TlsConnector::from(Arc::new(config.clone()));
    Ok(Connectors { http: connector(b"http/1.1"), grpc: connector(b"h2"), database })
}

fn config(settings: Option<&Tls>) -> Result<ClientConfig> {
    let Tls { ca, cert, key, insecure, .. } = settings.cloned().unwrap_or_default();
    let provider = Arc::new(common::tls::provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .context("cannot use TLS")?;
    let verified = if insecure || ca.is_some() {
        let own = ca.filter(|_| !insecure).map(|file| authorities(&file, &provider)).transpose()?;
        let verifier = Verifier { authorities: own, any_host: false, provider };
        builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
    } else {
        common::tls::check_roots().map_err(anyhow::Error::msg)?;
        builder.with_platform_verifier().context("cannot load the root certificates")?
    };
    let Some(cert) = cert else { return Ok(verified.with_no_client_auth()) };
    let (chain, own_key) = identity(&cert, key.as_ref().unwrap_or(&cert))?;
    let failed = || format!("the key does not fit the client certificate {}", cert.display());
    verified.with_client_auth_cert(chain, own_key).with_context(failed)
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

/// The earliest expiry of the certificates on the way from the server's own to the authority.
///
/// Servers send others too, such as a root that another one signed and that has expired. The connection was verified
/// without those that have expired at `now`.
pub(super) fn first_expiry<S>(stream: &TlsStream<S>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let (_, session) = stream.get_ref();
    let parse = |certificate: &CertificateDer<'_>| {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        let end = DateTime::from_timestamp(certificate.validity().not_after.timestamp(), 0)?;
        Some((certificate.subject().as_raw().to_vec(), certificate.issuer().as_raw().to_vec(), end))
    };
    let sent: Vec<_> = session.peer_certificates()?.iter().filter_map(parse).collect();
    chain_expiry(&sent, now)
}

/// A certificate: its subject, its issuer and its end.
type Certificate = (Vec<u8>, Vec<u8>, DateTime<Utc>);

fn chain_expiry(sent: &[Certificate], now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let (own, others) = sent.split_first()?;
    let (mut issuer, mut first) = (&own.1, own.2);
    // Each issuer counts once: names can lead in a circle.
    for _ in others {
        let candidates =
            others.iter().filter(|(subject, by, end)| subject == issuer && by != subject && *end > now);
        let Some((_, next, end)) = candidates.max_by_key(|(_, _, end)| *end) else { break };
        first = first.min(*end);
        issuer = next;
    }
    Some(first)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn only_certificates_on_the_way_to_the_authority_count() {
        let now = DateTime::UNIX_EPOCH;
        let certificate =
            |subject: &str, issuer: &str, days| (subject.into(), issuer.into(), now + TimeDelta::days(days));
        let days = |sent: &[Certificate]| chain_expiry(sent, now).map(|end| (end - now).num_days());
        let own = certificate("own", "middle", 50);
        assert_eq!(days(&[own.clone(), certificate("middle", "root", 40)]), Some(40));
        // An expired root that another one signed, a root that signed itself, and one of another chain.
        let unused = [
            certificate("middle", "root", 90),
            certificate("root", "old", -30),
            certificate("root", "root", 10),
            certificate("other", "root", 5),
        ];
        assert_eq!(days(&[[own].as_slice(), &unused].concat()), Some(50));
        assert_eq!(days(&[certificate("own", "own", 7)]), Some(7));
        assert_eq!(
            days(&[certificate("own", "a", 7), certificate("a", "b", 9), certificate("b", "a", 8)]),
            Some(7)
        );
        assert_eq!(days(&[]), None);
    }
}
