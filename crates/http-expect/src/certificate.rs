//! A server's certificate, and what is expected of it.

use std::net::IpAddr;

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use crate::body::TextCondition;
use crate::excerpt::quoted;

/// Seconds in a day.
const DAY: i64 = 24 * 60 * 60;

/// A certificate, as far as it can be expected to be something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The full days until it expires; negative if it has expired.
    pub days_left: i64,
    /// Who issued it, such as `C=US, O=Let's Encrypt, CN=E7`.
    pub issuer: String,
    /// Whom it was issued to.
    pub subject: String,
    /// Its serial number: hexadecimal digits with colons.
    pub serial: String,
    /// The names and addresses that it is valid for.
    pub names: String,
}

/// What is expected of a certificate; each condition has to hold.
#[derive(Debug, Clone, Default)]
pub struct CertificateExpectation {
    /// The least number of full days until it expires.
    pub min_days: Option<u32>,
    /// Its issuer.
    pub issuer: Vec<TextCondition>,
    /// Its subject.
    pub subject: Vec<TextCondition>,
    /// Its serial number.
    pub serial: Vec<TextCondition>,
    /// The names and addresses that it is valid for.
    pub names: Vec<TextCondition>,
}

impl Certificate {
    /// Reads a certificate in DER at the time `now`, in seconds since 1970. `None` if it is not one.
    pub fn parse(der: &[u8], now: i64) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let left = certificate.validity().not_after.timestamp().saturating_sub(now);
        Some(Self {
            days_left: left.div_euclid(DAY),
            issuer: certificate.issuer().to_string(),
            subject: certificate.subject().to_string(),
            serial: certificate.raw_serial_as_string(),
            names: names(&certificate).join(", "),
        })
    }
}

/// The subject's alternative names.
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let extension = certificate.subject_alternative_name().ok().flatten();
    let list = extension.map(|extension| extension.value.general_names.as_slice()).unwrap_or_default();
    let written = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) | GeneralName::URI(name) | GeneralName::RFC822Name(name) => {
            Some((*name).to_owned())
        }
        GeneralName::IPAddress(bytes) => {
            let four = <[u8; 4]>::try_from(*bytes).map(IpAddr::from).ok();
            let address = four.or_else(|| <[u8; 16]>::try_from(*bytes).map(IpAddr::from).ok());
            address.map(|address| address.to_string())
        }
        _ => None,
    };
    list.iter().filter_map(written).collect()
}

impl CertificateExpectation {
    /// Whether nothing is expected.
    pub(crate) fn is_empty(&self) -> bool {
        let Self { min_days, issuer, subject, serial, names } = self;
        min_days.is_none() && [issuer, subject, serial, names].iter().all(|conditions| conditions.is_empty())
    }

    /// The conditions that are not met, in words.
    pub(crate) fn unmet(&self, certificate: Option<&Certificate>) -> Vec<String> {
        if self.is_empty() {
            return Vec::new();
        }
        let Self { min_days, issuer, subject, serial, names } = self;
        let Some(certificate) = certificate else {
            return vec!["there is no certificate, because there is no TLS".to_owned()];
        };
        let mut unmet = Vec::new();
        if let Some(least) = min_days.filter(|least| certificate.days_left < i64::from(*least)) {
            unmet.push(format!(
                "the certificate expires in {} days, expected {least} or more",
                certificate.days_left
            ));
        }
        for (name, conditions, actual) in [
            ("issuer", issuer, &certificate.issuer),
            ("subject", subject, &certificate.subject),
            ("serial number", serial, &certificate.serial),
            ("list of names", names, &certificate.names),
        ] {
            let conditions = conditions.iter().filter(|condition| !condition.is_met(actual.as_bytes()));
            unmet.extend(conditions.map(|condition| {
                format!(
                    "the {name} of the certificate {}: {}",
                    condition.describe_unmet(quoted),
                    quoted(actual)
                )
            }));
        }
        unmet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_condition_counts() {
        let certificate = Certificate {
            days_left: 13,
            issuer: "CN=E7".to_owned(),
            subject: "CN=h".to_owned(),
            serial: "0a:ff".to_owned(),
            names: "h, 10.0.0.7".to_owned(),
        };
        let expected = CertificateExpectation {
            min_days: Some(14),
            issuer: vec![TextCondition::Contains("E8".to_owned())],
            subject: vec![TextCondition::Contains("h".to_owned())],
            serial: vec![TextCondition::Equals("0a:ff".to_owned())],
            names: vec![TextCondition::Contains("10.0.0.8".to_owned())],
        };
        assert_eq!(
            expected.unmet(Some(&certificate)),
            [
                "the certificate expires in 13 days, expected 14 or more",
                "the issuer of the certificate does not contain \"E8\": \"CN=E7\"",
                "the list of names of the certificate does not contain \"10.0.0.8\": \"h, 10.0.0.7\""
            ]
        );
        assert_eq!(expected.unmet(None).len(), 1);
        assert_eq!(CertificateExpectation::default().unmet(None), Vec::<String>::new());
        assert_eq!(Certificate::parse(b"no certificate", 0), None);
    }
}
