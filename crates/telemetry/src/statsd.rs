//! StatsD, with the tags of DogStatsD: what an event counts, in a datagram or a few. Nobody waits for them, and nobody knows
//! whether they arrive. Format: <https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/>

use std::fmt::{self, Display, Formatter};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use cadence::prelude::*;
use cadence::{
    BufferedUdpMetricSink, BufferedUnixMetricSink, MetricBuilder, MetricError, MetricSink, StatsdClient,
};
use common::event::Event;

use crate::metrics::encode::to_count;
use crate::metrics::exposition::{Exposition, Labels, Value};
use crate::metrics::{Contribution, catalog, contribution};

/// The most bytes of a datagram that fits into one packet.
const PACKET: usize = 1432;

/// The most bytes of a datagram to a socket of this machine.
const LOCAL: usize = 8192;

/// How long the name of a host may be looked up.
const LOOKUP_LIMIT: Duration = Duration::from_millis(500);

/// Where a StatsD server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatsdAddress {
    /// A host and a port.
    Udp(String),
    /// A socket of this machine.
    Unix(PathBuf),
}

impl FromStr for StatsdAddress {
    type Err = ();
    /// Reads `udp://HOST:PORT`, `HOST:PORT` or `unix:///PATH`.
    fn from_str(text: &str) -> Result<Self, ()> {
        if let Some(path) = text.strip_prefix("unix://") {
            return path.starts_with('/').then(|| Self::Unix(path.into())).ok_or(());
        }
        let address = text.strip_prefix("udp://").unwrap_or(text);
        let (host, port) = address.rsplit_once(':').ok_or(())?;
        let is_host = !host.is_empty() && !host.contains(['/', '@']) && !host.contains(char::is_whitespace);
        let is_address = is_host && port.parse::<u16>().is_ok_and(|port| port > 0);
        is_address.then(|| Self::Udp(address.to_owned())).ok_or(())
    }
}

impl Display for StatsdAddress {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Sends what an event counts.
///
/// # Errors
/// The host is not found, or this machine refuses to send.
pub(crate) fn send(address: &StatsdAddress, event: &Event) -> io::Result<()> {
    match address {
        StatsdAddress::Udp(host) => {
            let to = resolve(host)?;
            let own: SocketAddr = match to {
                SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
            };
            let socket = UdpSocket::bind(own)?;
            socket.set_nonblocking(true)?;
            let sink = BufferedUdpMetricSink::with_capacity(to, socket, PACKET).map_err(io::Error::other)?;
            emit(sink, event)
        }
        StatsdAddress::Unix(path) => {
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            emit(BufferedUnixMetricSink::with_capacity(path, socket, LOCAL), event)
        }
    }
}

/// The address of a host. A name is looked up by a thread of its own, which may be left behind.
fn resolve(host: &str) -> io::Result<SocketAddr> {
    if let Ok(address) = host.parse() {
        return Ok(address);
    }
    let (found, answer) = mpsc::channel();
    let name = host.to_owned();
    thread::Builder::new().name("statsd".to_owned()).spawn(move || {
        // After the limit, the receiver has been dropped.
        let _ = found.send(name.to_socket_addrs().map(|mut all| all.next()));
    })?;
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "its host was not found in time");
    answer.recv_timeout(LOOKUP_LIMIT).map_err(late)??.ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn emit(
    sink: impl MetricSink + Send + Sync + std::panic::RefUnwindSafe + 'static,
    event: &Event,
) -> io::Result<()> {
    let client = StatsdClient::from_sink("", sink);
    let labels = event.identity.labels(event.stage.as_str());
    let Contribution { state, counters } = contribution(event);
    let sent = send_counters(&client, &counters.with_labels(&labels))
        .and_then(|()| send_gauges(&client, &state.with_labels(&labels)))
        .and_then(|()| client.flush());
    sent.map_err(io::Error::other)
}

/// Counters by what they increased, histograms by what was observed. A cost is no whole number, so it is observed too.
fn send_counters(client: &StatsdClient, counters: &Exposition) -> Result<(), MetricError> {
    for (name, family) in &counters.families {
        for (labels, value) in &family.series {
            match value {
                Value::Number(0.0) => {}
                Value::Number(cost) if name == catalog::COST_TOTAL.name => {
                    tagged(client.histogram_with_tags("deployment_cost_dollars", *cost), labels)?;
                }
                Value::Number(number) => {
                    tagged(client.count_with_tags(name, to_count(*number)), labels)?;
                }
                // One event is one observation.
                Value::Histogram(histogram) if histogram.count > 0.0 => {
                    tagged(client.histogram_with_tags(name, histogram.sum), labels)?;
                }
                Value::Histogram(_) => {}
            }
        }
    }
    Ok(())
}

fn send_gauges(client: &StatsdClient, state: &Exposition) -> Result<(), MetricError> {
    for (name, family) in &state.families {
        for (labels, value) in &family.series {
            if let Value::Number(number) = value
                && number.is_finite()
            {
                tagged(client.gauge_with_tags(name, *number), labels)?;
            }
        }
    }
    Ok(())
}

/// Sends a metric with these labels as tags.
fn tagged<T: cadence::Metric + From<String>>(
    metric: MetricBuilder<'_, '_, T>,
    labels: &Labels,
) -> Result<(), MetricError> {
    let given = labels.iter().filter(|(_, value)| !value.is_empty());
    let tags: Vec<(&str, String)> = given.map(|(name, value)| (name.as_str(), tag(value))).collect();
    let metric = tags.iter().fold(metric, |metric, (name, value)| metric.with_tag(name, value));
    metric.try_send().map(drop)
}

/// The value of a tag: what separates tags, metrics and their parts becomes `_`.
fn tag(value: &str) -> String {
    value.replace(|c: char| c.is_control() || "|,#@".contains(c), "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_with_a_port_or_a_path() {
        let read = |text: &str| text.parse::<StatsdAddress>().ok();
        assert_eq!(read("udp://127.0.0.1:8125"), Some(StatsdAddress::Udp("127.0.0.1:8125".to_owned())));
        assert_eq!(read("agent:8125"), Some(StatsdAddress::Udp("agent:8125".to_owned())));
        assert_eq!(read("[::1]:8125"), Some(StatsdAddress::Udp("[::1]:8125".to_owned())));
        assert_eq!(read("unix:///run/dsd.socket"), Some(StatsdAddress::Unix("/run/dsd.socket".into())));
        for wrong in
            ["", "agent", ":8125", "agent:0", "agent:http", "unix://run", "http://agent:8125", "a b:1"]
        {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_value_cannot_add_tags_or_metrics() {
        assert_eq!(tag("1.0|c\nevil:1|c|#admin,x@y"), "1.0_c_evil:1_c__admin_x_y");
    }
}
