//! Certificates that each test creates: an authority, a server's, and a client's.

use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use tempfile::TempDir;

/// A folder of PEM files.
#[derive(Debug)]
pub struct Certificates {
    folder: TempDir,
    /// One line of the key in the client's file, which must never appear in any output.
    pub client_secret: String,
}

impl Default for Certificates {
    fn default() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        // All certificates have the same default name, which makes each look self-signed.
        params.distinguished_name.push(DnType::CommonName, "an authority for tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let signed = |names: &[&str], purpose| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let mut params = CertificateParams::new(names).unwrap();
            params.extended_key_usages = vec![purpose];
            let key = KeyPair::generate().unwrap();
            (params.signed_by(&key, &authority).unwrap().pem(), key.serialize_pem())
        };
        let (server, server_key) = signed(&["127.0.0.1", "localhost"], ExtendedKeyUsagePurpose::ServerAuth);
        let (client, client_key) = signed(&["deployer"], ExtendedKeyUsagePurpose::ClientAuth);
        let certificates = Self {
            folder: tempfile::tempdir().unwrap(),
            client_secret: client_key.lines().nth(1).unwrap().to_owned(),
        };
        certificates.write("ca.pem", &authority.pem());
        certificates.write("server.pem", &server);
        certificates.write("server.key", &server_key);
        certificates.write("client.pem", &format!("{client}{client_key}"));
        certificates
    }
}

impl Certificates {
    /// Creates them.
    pub fn new() -> Self {
        Self::default()
    }

    /// The authority's certificate.
    pub fn authority(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// The server's certificate, for 127.0.0.1 and localhost, and its key.
    pub fn server(&self) -> (PathBuf, PathBuf) {
        (self.path("server.pem"), self.path("server.key"))
    }

    /// The client's certificate and its key, in one file.
    pub fn client(&self) -> PathBuf {
        self.path("client.pem")
    }

    /// A configuration for the Prometheus family's servers: TLS, clients with a certificate of the authority only,
    /// and this user, whose password has this bcrypt hash.
    pub fn web_config(&self, user: &str, hash: &str) -> PathBuf {
        let text = format!(
            "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n  client_ca_file: ca.pem\n  \
             client_auth_type: RequireAndVerifyClientCert\nbasic_auth_users:\n  {user}: '{hash}'\n"
        );
        self.write("web.yml", &text)
    }

    /// Writes another file to the same folder.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        common::fs::atomic::write(&self.path(name), text.as_bytes()).unwrap();
        self.path(name)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
