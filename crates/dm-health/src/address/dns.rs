//! Addresses of names in the DNS: `dns:NAME`, or `dns://SERVER/NAME` for a given server, as RFC 4501 writes them.

use std::net::IpAddr;

use percent_encoding::percent_decode_str;
use simple_dns::rdata::TYPE;
use simple_dns::{Name, rdata};
use url::{Host, Url};

use super::host_port::{HostPort, host_port_or};

/// The port of a DNS server.
const PORT: u16 = 53;

/// The types of records that can be asked for.
const TYPES: [(&str, TYPE); 9] = [
    ("A", TYPE::A),
    ("AAAA", TYPE::AAAA),
    ("CAA", TYPE::CAA),
    ("CNAME", TYPE::CNAME),
    ("MX", TYPE::MX),
    ("NS", TYPE::NS),
    ("PTR", TYPE::PTR),
    ("SRV", TYPE::SRV),
    ("TXT", TYPE::TXT),
];

/// A name that must resolve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DnsQuestion {
    /// The name, as it is typed.
    pub(crate) shown: String,
    /// The name to ask for, in ASCII.
    pub(crate) name: String,
    /// The type of the records; `None` for addresses.
    pub(crate) record: Option<TYPE>,
    /// The server to ask; `None` for the one of the machine.
    pub(crate) server: Option<HostPort>,
    /// Answers that must be among those that come, as [`answer`] writes them.
    pub(crate) answers: Vec<String>,
}

impl DnsQuestion {
    /// Parses a URL with the scheme `dns`.
    pub(super) fn parse(url: &Url) -> Result<Self, String> {
        let server = if url.has_host() { Some(host_port_or(url, Some(PORT))?) } else { None };
        let shown = percent_decode_str(url.path()).decode_utf8_lossy();
        let shown = if server.is_some() { shown.trim_start_matches('/') } else { &shown };
        let (mut record, mut answers) = (None, Vec::new());
        for (name, value) in url.query_pairs() {
            match &*name {
                "type" => record = Some(record_type(&value)?),
                "answer" if !value.trim().is_empty() => answers.push(value.trim().to_owned()),
                "answer" => return Err("dns: an empty answer= would match nothing".to_owned()),
                other => return Err(format!("dns: unknown parameter {other}; known are type and answer")),
            }
        }
        let name = ascii(shown, record)?;
        let answers = answers.iter().map(|answer| canonical(answer, record)).collect();
        Ok(Self { shown: shown.to_owned(), name, record, server, answers })
    }
}

fn record_type(text: &str) -> Result<TYPE, String> {
    let known = TYPES.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    known.map(|(_, record)| record).ok_or_else(|| {
        let names = TYPES.map(|(name, _)| name).join(", ");
        format!("dns: unknown type {text:?}; known are {names}")
    })
}

/// The name of a type, as [`TYPES`] has it.
pub(crate) fn type_name(record: TYPE) -> &'static str {
    TYPES.into_iter().find(|(_, known)| *known == record).map_or("", |(name, _)| name)
}

/// The name as it is sent. The name of an address is the one that leads back to its host.
fn ascii(name: &str, record: Option<TYPE>) -> Result<String, String> {
    let invalid =
        |why: String| format!("dns: {name:?} is not a name{why}; write one such as dns:api.example.com");
    if name.is_empty() {
        return Err(invalid(String::new()));
    }
    if let Ok(ip) = name.parse::<IpAddr>() {
        return match record {
            Some(TYPE::PTR) => Ok(reverse_name(ip)),
            _ => Err(invalid(" but an address".to_owned())),
        };
    }
    let ascii = if name.is_ascii() {
        name.to_owned()
    } else {
        Host::parse(name).map_err(|error| invalid(format!(" ({error})")))?.to_string()
    };
    Name::new(&ascii).map_err(|error| invalid(format!(" ({error})")))?;
    Ok(ascii)
}

fn reverse_name(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(ip) => {
            let digits = format!("{:032x}", ip.to_bits());
            let reversed: Vec<String> = digits.chars().rev().map(String::from).collect();
            format!("{}.ip6.arpa", reversed.join("."))
        }
    }
}

/// The form in which answers are compared: addresses as they are usually written, names in lower case and without the dot
/// at their end. A text stays as it is.
fn canonical(answer: &str, record: Option<TYPE>) -> String {
    if let Ok(ip) = answer.parse::<IpAddr>() {
        return ip.to_string();
    }
    match record {
        Some(TYPE::TXT | TYPE::CAA) => answer.to_owned(),
        _ => answer.trim_end_matches('.').to_lowercase(),
    }
}

/// The data of a record as text, such as `10 mail.example.com` for MX; `None` if it is of another type.
pub(crate) fn answer(data: &rdata::RData<'_>, record: TYPE) -> Option<String> {
    use rdata::RData::{A, AAAA, CAA, CNAME, MX, NS, PTR, SRV, TXT};
    let text = match (record, data) {
        (TYPE::A, A(data)) => std::net::Ipv4Addr::from(data.clone()).to_string(),
        (TYPE::AAAA, AAAA(data)) => std::net::Ipv6Addr::from(data.clone()).to_string(),
        (TYPE::CNAME, CNAME(data)) => data.0.to_string(),
        (TYPE::NS, NS(data)) => data.0.to_string(),
        (TYPE::PTR, PTR(data)) => data.0.to_string(),
        (TYPE::MX, MX(data)) => format!("{} {}", data.preference, data.exchange),
        (TYPE::SRV, SRV(data)) => {
            format!("{} {} {} {}", data.priority, data.weight, data.port, data.target)
        }
        (TYPE::TXT, TXT(data)) => String::try_from(data.clone()).unwrap_or_default(),
        (TYPE::CAA, CAA(data)) => {
            format!("{} {} {}", data.flag, data.tag, String::from_utf8_lossy(&data.value))
        }
        _ => return None,
    };
    Some(canonical(&text, Some(record)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(text: &str) -> Result<DnsQuestion, String> {
        DnsQuestion::parse(&Url::parse(text).unwrap())
    }

    #[test]
    fn a_name_may_have_a_server_a_type_and_answers() {
        let plain = question("dns:api.example.com").unwrap();
        assert_eq!((plain.name.as_str(), plain.record, plain.server), ("api.example.com", None, None));
        let full = question("dns://10.0.0.2:5353/Example.com?type=mx&answer=10%20Mail.example.com.").unwrap();
        assert_eq!((full.server.unwrap().port, full.record), (5353, Some(TYPE::MX)));
        assert_eq!(full.answers, ["10 mail.example.com"]);
        assert_eq!(question("dns://[::1]/h").unwrap().server.unwrap().port, 53);
        assert_eq!(question("dns:h?answer=0:0:0:0:0:0:0:1").unwrap().answers, ["::1"]);
        assert_eq!(question("dns:b%C3%BCcher.example").unwrap().name, "xn--bcher-kva.example");
    }

    #[test]
    fn the_name_of_an_address_is_asked_for_backwards() {
        assert_eq!(question("dns:192.0.2.1?type=PTR").unwrap().name, "1.2.0.192.in-addr.arpa");
        let v6 = question("dns:2001:db8::1?type=PTR").unwrap().name;
        assert!(v6.starts_with("1.0.0.0.") && v6.ends_with(".8.b.d.0.1.0.0.2.ip6.arpa"), "{v6}");
    }

    #[test]
    fn anything_else_is_refused() {
        for (text, says) in [
            ("dns:", "is not a name"),
            ("dns:192.0.2.1", "but an address"),
            ("dns:h?type=X", "unknown type \"X\"; known are A, AAAA"),
            ("dns:h?answer=", "empty answer"),
            ("dns:h?tpye=A", "unknown parameter tpye"),
        ] {
            let error = question(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
        let long = format!("dns:{}.example", "a".repeat(64));
        assert!(question(&long).unwrap_err().contains("is not a name"));
    }
}
