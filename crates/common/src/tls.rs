//! The cryptography of this process.

use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};

/// The provider of TLS, ready to use.
///
/// The first random number of a process costs tens of milliseconds of computing, because the library collects entropy. It
/// is drawn here: otherwise the first handshake would draw it, and its time would look like the service's.
pub fn provider() -> CryptoProvider {
    ready(aws_lc_rs::default_provider())
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
    fn the_first_random_number_is_drawn_before_the_first_handshake() {
        static RANDOM: Counting = Counting(AtomicUsize::new(0));
        let provider = CryptoProvider { secure_random: &RANDOM, ..aws_lc_rs::default_provider() };
        ready(provider);
        assert_eq!(RANDOM.0.load(Ordering::Relaxed), 1);
    }
}
