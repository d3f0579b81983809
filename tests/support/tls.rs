//! Certificates, made anew for each test: an authority of our own, a server's, and a client's.

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
    /// The key inside the client's file, which nobody may ever tell: one line of it.
    pub client_secret: String,
}

impl Default for Certificates {
    fn default() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        // The default name is the same for all, which makes every certificate look signed by itself.
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
        let made = Self {
            folder: tempfile::tempdir().unwrap(),
            client_secret: client_key.lines().nth(1).unwrap().to_owned(),
        };
        made.write("ca.pem", &authority.pem());
        made.write("server.pem", &server);
        made.write("server.key", &server_key);
        made.write("client.pem", &format!("{client}{client_key}"));
        made
    }
}

impl Certificates {
    /// Makes them.
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

    /// A configuration for the Prometheus family's servers: TLS, clients with a certificate of the authority only, and
    /// this user with the password of this bcrypt hash.
    pub fn web_config(&self, user: &str, hash: &str) -> PathBuf {
        let text = format!(
            "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n  client_ca_file: ca.pem\n  \
             client_auth_type: RequireAndVerifyClientCert\nbasic_auth_users:\n  {user}: '{hash}'\n"
        );
        self.write("web.yml", &text)
    }

    /// Writes one more file beside them.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        common::fs::atomic::write(&self.path(name), text.as_bytes()).unwrap();
        self.path(name)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
