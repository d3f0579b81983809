//! A TLS server with a good certificate, or with one that clients must reject.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    date_time_ymd,
};
use tempfile::TempDir;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::fault::{answer, serve};

/// A certificate authority, and the file with which clients trust it.
#[expect(missing_debug_implementations, reason = "it contains a key")]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

/// What is wrong with a server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Nothing; it lasts for many years.
    None,
    /// It expired in 2001.
    Expired,
    /// It becomes valid in the year 4000.
    NotYetValid,
    /// It is for another host.
    WrongHost,
    /// It is self-signed.
    SelfSigned,
    /// It is good, and the server speaks HTTP/2 only.
    Http2Only,
    /// It is good, and the server demands one of the client.
    DemandsClient,
}

impl Default for Authority {
    fn default() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        // All certificates have the same default name, which makes each look self-signed.
        params.distinguished_name.push(DnType::CommonName, "an authority for faults");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self { issuer, folder: tempfile::tempdir().unwrap() };
        common::fs::atomic::write(&authority.file(), authority.issuer.pem().as_bytes()).unwrap();
        authority
    }
}

impl Authority {
    /// Creates one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Its certificate, for `SSL_CERT_FILE`.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A client's certificate that it signed, with the key in the same file.
    pub fn client(&self) -> PathBuf {
        let mut params = CertificateParams::new(["deployer".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem() + &key.serialize_pem();
        let file = self.folder.path().join("client.pem");
        common::fs::atomic::write(&file, pem.as_bytes()).unwrap();
        file
    }

    /// A server on `127.0.0.1` that answers every request with 200 if the client accepts its certificate.
    pub fn server(&self, flaw: Flaw) -> String {
        let config = Arc::new(self.config(flaw));
        let url = serve(move |stream| {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, stream);
            let mut request = [0; 4096];
            if stream.read(&mut request).is_ok_and(|read| read > 0) {
                let _ = stream.write_all(answer("200 OK", "hello").as_bytes());
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        });
        url.replace("http:", "https:")
    }

    fn config(&self, flaw: Flaw) -> ServerConfig {
        let name = if flaw == Flaw::WrongHost { "other.example" } else { "127.0.0.1" };
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        (params.not_before, params.not_after) = match flaw {
            Flaw::Expired => (date_time_ymd(2000, 1, 1), date_time_ymd(2001, 1, 1)),
            Flaw::NotYetValid => (date_time_ymd(4000, 1, 1), date_time_ymd(4001, 1, 1)),
            _ => (date_time_ymd(2000, 1, 1), date_time_ymd(4000, 1, 1)),
        };
        let key = KeyPair::generate().unwrap();
        let certificate = if flaw == Flaw::SelfSigned {
            params.self_signed(&key).unwrap()
        } else {
            params.signed_by(&key, &self.issuer).unwrap()
        };
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let builder = if flaw == Flaw::DemandsClient {
            let mut roots = RootCertStore::empty();
            roots.add(self.issuer.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
            ServerConfig::builder().with_client_cert_verifier(verifier)
        } else {
            ServerConfig::builder().with_no_client_auth()
        };
        let mut config = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        config.alpn_protocols = match flaw {
            Flaw::Http2Only => vec![b"h2".to_vec()],
            _ => vec![b"http/1.1".to_vec()],
        };
        config
    }
}
