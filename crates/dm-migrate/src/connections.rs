//! Identifies the migration's sessions on a server without a common name: the client port of each belongs to a descendant
//! of this process, or the client reports the pid of one.

use std::collections::BTreeSet;
use std::fs;

use child_process::descendants;

/// The processes of the migration, and their connections to the server.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    /// The pids of the processes.
    pub(crate) pids: BTreeSet<i64>,
    /// The local ports of their connections to the server.
    pub(crate) ports: BTreeSet<u16>,
}

impl Connections {
    /// Reads the current ones, to these ports of a server; empty without `/proc`.
    pub(crate) fn current(server_ports: &[u16]) -> Self {
        let pids: Vec<i32> = descendants().into_iter().map(nix::unistd::Pid::as_raw).collect();
        let sockets: BTreeSet<String> = pids.iter().flat_map(|pid| sockets(*pid)).collect();
        let mut ports = BTreeSet::new();
        for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
            let text = fs::read_to_string(table).unwrap_or_default();
            let connections = text.lines().filter_map(parse_connection);
            let own =
                connections.filter(|it| server_ports.contains(&it.remote_port) && sockets.contains(it.inode));
            ports.extend(own.map(|connection| connection.local_port));
        }
        Self { pids: pids.into_iter().map(i64::from).collect(), ports }
    }
}

/// The inodes of the open sockets of a process.
fn sockets(pid: i32) -> Vec<String> {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let targets = files.filter_map(|file| fs::read_link(file.path()).ok());
    targets
        .filter_map(|target| Some(target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect()
}

/// A line of `/proc/net/tcp`; see proc_pid_net(5).
#[derive(Debug, PartialEq, Eq)]
struct Connection<'a> {
    local_port: u16,
    remote_port: u16,
    inode: &'a str,
}

fn parse_connection(line: &str) -> Option<Connection<'_>> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let mut port = || u16::from_str_radix(fields.next()?.rsplit_once(':')?.1, 16).ok();
    let (local_port, remote_port) = (port()?, port()?);
    Some(Connection { local_port, remote_port, inode: fields.nth(6)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_parsed_from_the_kernel_s_table() {
        let line = "   1: 0100007F:A3C6 0100007F:0CEA 01 00000000:00000000 02:000A \
                    00000000  1000        0 12345 2 0000000000000000 20 4 30 10 -1";
        let line = line.replace("02:000A ", "02:000A9D8B ");
        assert_eq!(
            parse_connection(&line),
            Some(Connection { local_port: 41926, remote_port: 3306, inode: "12345" })
        );
        assert_eq!(parse_connection("  sl  local_address rem_address   st"), None);
    }
}
