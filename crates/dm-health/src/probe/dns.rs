//! Asks the DNS for a name: by the machine's resolver, or by a message to a server (RFC 1035).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use common::event::Reason;
use common::fs::bounded;
use http_expect::excerpt::bounded as excerpt;
use simple_dns::{CLASS, Name, Packet, PacketFlag, Question, RCODE, TYPE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;

use super::connect;
use crate::address::{DnsQuestion, answer, type_name};
use crate::failure::Failure;

/// The largest message over UDP without an extension, in bytes, and some more for servers that ignore that.
const MAX_DATAGRAM: usize = 4096;

/// The file with the servers of this machine.
const SERVERS: &str = "/etc/resolv.conf";

/// The largest such file, in bytes.
const MAX_SERVERS: u64 = 64 * 1024;

/// Asks as this machine does: for addresses, as any program here would get them; for other records, its first server.
pub(super) async fn check_here(question: &DnsQuestion) -> Result<(), Failure> {
    if question.record.is_some() {
        return check_at(first_server()?, question).await;
    }
    let addresses = connect::lookup(question.name.clone(), 0).await?;
    expect(&addresses.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>(), question)
}

/// Asks a server.
pub(super) async fn check_at(server: SocketAddr, question: &DnsQuestion) -> Result<(), Failure> {
    let answers = match question.record {
        Some(record) => ask(server, &question.name, record).await?,
        // A name may have addresses of one kind only.
        None => match ask(server, &question.name, TYPE::A).await {
            Ok(mut answers) => {
                answers.extend(ask(server, &question.name, TYPE::AAAA).await?);
                answers
            }
            Err(failure) => return Err(failure),
        },
    };
    if answers.is_empty() {
        let records = question.record.map_or("addresses", type_name);
        return Err(Failure::new(Reason::Dns, format!("the name has no {records}")));
    }
    expect(&answers, question)
}

fn expect(answers: &[String], question: &DnsQuestion) -> Result<(), Failure> {
    match question.answers.iter().find(|expected| !answers.contains(expected)) {
        None => Ok(()),
        Some(missing) => {
            let answers = excerpt(&answers.join(", "));
            let message = format!("resolved to {answers}, expected {}", excerpt(missing));
            Err(Failure::new(Reason::Assertion, message))
        }
    }
}

fn first_server() -> Result<SocketAddr, Failure> {
    let failed = |why: String| Failure::local(Reason::Dns, format!("no server to ask: {why}"));
    let text = bounded::read_text(Path::new(SERVERS), MAX_SERVERS)
        .map_err(|error| failed(format!("cannot read {SERVERS}: {error}")))?;
    let mut servers = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    let server = servers.find_map(|rest| rest.trim().parse::<IpAddr>().ok());
    server.map(|ip| (ip, 53).into()).ok_or_else(|| failed(format!("{SERVERS} names none")))
}

/// The answers of a server, over UDP, or over TCP if they do not fit.
async fn ask(server: SocketAddr, name: &str, record: TYPE) -> Result<Vec<String>, Failure> {
    let failed = |error| Failure::not_connected(&error, server);
    let id = random_id();
    let query = query(id, name, record)?;
    let here: IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((here, 0)).await.map_err(failed)?;
    // Then only the server's datagrams arrive, and an error if it does not listen.
    socket.connect(server).await.map_err(failed)?;
    socket.send(&query).await.map_err(failed)?;
    let mut datagram = vec![0; MAX_DATAGRAM];
    loop {
        let length = socket.recv(&mut datagram).await.map_err(failed)?;
        match read(datagram.get(..length).unwrap_or_default(), id, record) {
            Reading::Unrelated => {}
            Reading::Truncated => return ask_by_tcp(server, &query, id, record).await,
            Reading::Answered(answers) => return answers,
        }
    }
}

async fn ask_by_tcp(server: SocketAddr, query: &[u8], id: u16, record: TYPE) -> Result<Vec<String>, Failure> {
    let failed = |error| Failure::not_connected(&error, server);
    let mut stream = connect::connect(server).await?;
    let length = u16::try_from(query.len()).unwrap_or_default();
    stream.write_u16(length).await.map_err(failed)?;
    stream.write_all(query).await.map_err(failed)?;
    let length = stream.read_u16().await.map_err(failed)?;
    let mut message = vec![0; usize::from(length)];
    stream.read_exact(&mut message).await.map_err(failed)?;
    match read(&message, id, record) {
        Reading::Answered(answers) => answers,
        Reading::Unrelated | Reading::Truncated => Err(not_dns()),
    }
}

fn random_id() -> u16 {
    // Without entropy, the connected socket still takes datagrams of the server only.
    let [high, low, ..] = getrandom::u32().unwrap_or_default().to_be_bytes();
    u16::from_be_bytes([high, low])
}

fn query(id: u16, name: &str, record: TYPE) -> Result<Vec<u8>, Failure> {
    let failed = |error| Failure::new(Reason::Other, format!("cannot ask for the name: {error}"));
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new(name).map_err(failed)?;
    packet.questions.push(Question::new(name, record.into(), CLASS::IN.into(), false));
    packet.build_bytes_vec().map_err(failed)
}

/// A message that came.
#[derive(Debug)]
enum Reading {
    /// It does not answer the question.
    Unrelated,
    /// It says that not all fits.
    Truncated,
    /// The records of the type, or why there are none.
    Answered(Result<Vec<String>, Failure>),
}

/// Reads a message as the answer to question `id`.
fn read(message: &[u8], id: u16, record: TYPE) -> Reading {
    if message.get(..2) != Some(&id.to_be_bytes()[..]) {
        return Reading::Unrelated;
    }
    let Ok(packet) = Packet::parse(message) else { return Reading::Answered(Err(not_dns())) };
    if !packet.has_flags(PacketFlag::RESPONSE) {
        return Reading::Unrelated;
    }
    if packet.has_flags(PacketFlag::TRUNCATION) {
        return Reading::Truncated;
    }
    Reading::Answered(match packet.rcode() {
        RCODE::NoError => {
            Ok(packet.answers.iter().filter_map(|found| answer(&found.rdata, record)).collect())
        }
        RCODE::NameError => Err(Failure::new(Reason::Dns, "the name does not exist (NXDOMAIN)")),
        RCODE::ServerFailure => Err(Failure::new(Reason::Dns, "the server failed to resolve it (SERVFAIL)")),
        RCODE::Refused => Err(Failure::new(Reason::Dns, "the server refuses to resolve it (REFUSED)")),
        other => Err(Failure::new(Reason::Dns, format!("the server answered with {other:?}"))),
    })
}

fn not_dns() -> Failure {
    Failure::new(Reason::Other, "not a DNS message")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_response_to_the_question_counts() {
        let query = query(7, "h.example", TYPE::A).unwrap();
        // A question is no response, and a message with another number answers another question.
        assert!(matches!(read(&query, 7, TYPE::A), Reading::Unrelated));
        assert!(matches!(read(&query, 8, TYPE::A), Reading::Unrelated));
        let mut response = query;
        response[2] |= 0x80;
        assert!(matches!(read(&response, 7, TYPE::A), Reading::Answered(Ok(answers)) if answers.is_empty()));
        response[3] |= 3;
        assert!(
            matches!(read(&response, 7, TYPE::A), Reading::Answered(Err(why)) if why.reason == Reason::Dns)
        );
        response[2] |= 2;
        assert!(matches!(read(&response, 7, TYPE::A), Reading::Truncated));
    }

    proptest! {
        #[test]
        fn any_message_is_read(rest in prop::collection::vec(any::<u8>(), 0..80)) {
            let mut message = vec![0, 7, 0x80];
            message.extend(rest);
            let _ = read(&message, 7, TYPE::TXT);
        }
    }
}
