//! The cryptography of this process.

mod verifier;

use crate::env;
use crate::term::text::one_line;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};

pub use verifier::{Verifier, authorities, identity};

/// The provider of TLS, ready to use.
///
/// The first random number of a process costs tens of milliseconds of computing, because the library collects entropy. It
/// is drawn here: otherwise the first handshake would draw it, and its time would look like the service's.
pub fn provider() -> CryptoProvider {
    ready(aws_lc_rs::default_provider())
}

/// Checks the file of certificate authorities that `SSL_CERT_FILE` names. Without it, a TLS library only says that it does
/// not know the issuer.
pub fn check_roots() -> Result<(), String> {
    let Some(file) = env::system("SSL_CERT_FILE") else { return Ok(()) };
    match std::fs::File::open(&file) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!(
            "cannot read {}, the file of certificate authorities in SSL_CERT_FILE: {error}",
            one_line(&file)
        )),
    }
}

/// What an error of a TLS connection probably means; `None` if it says enough itself.
pub fn hint(error: &str) -> Option<&'static str> {
    let demands = ["CertificateRequired", "certificate required"];
    if demands.iter().any(|text| error.contains(text)) {
        return Some("the server demands a client certificate");
    }
    let ended = error.contains("close_notify") || error.contains("HandshakeFailure");
    ended.then_some("the server ended the TLS handshake: it may demand a client certificate")
}

fn ready(provider: CryptoProvider) -> CryptoProvider {
    // If there is no entropy, the handshake says so.
    let _ = provider.secure_random.fill(&mut [0; 32]);
    provider
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio_rustls::rustls::crypto::{GetRandomFailed, SecureRandom};

    use super::*;

    #[derive(Debug)]
    struct Counting(AtomicUsize);

    impl SecureRandom for Counting {
        fn fill(&self, _: &mut [u8]) -> Result<(), GetRandomFailed> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    }

    #[test]
    fn an_error_is_explained() {
        let close = "peer closed connection without sending TLS close_notify: https://docs.rs/rustls/x";
        assert!(hint(close).unwrap().contains("may demand a client certificate"));
        assert_eq!(
            hint("received fatal alert: CertificateRequired"),
            Some("the server demands a client certificate")
        );
        assert_eq!(hint("invalid peer certificate: UnknownIssuer"), None);
    }

    #[test]
    fn the_first_random_number_is_drawn_before_the_first_handshake() {
        static RANDOM: Counting = Counting(AtomicUsize::new(0));
        let provider = CryptoProvider { secure_random: &RANDOM, ..aws_lc_rs::default_provider() };
        ready(provider);
        assert_eq!(RANDOM.0.load(Ordering::Relaxed), 1);
    }
}
