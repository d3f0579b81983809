//! Which of a server's sessions are the migration's. They cannot be given a name; but the port that a session comes
//! from is one that a process below this one has open, or the process that it names is one.

use std::collections::BTreeSet;
use std::fs;

use child_process::descendants;

/// The processes of the migration, and their connections to the server.
#[derive(Debug, Default)]
pub(super) struct Connections {
    /// Their ids.
    pub(crate) pids: BTreeSet<i64>,
    /// Their own ports of connections to that of the server.
    pub(crate) ports: BTreeSet<u16>,
}

impl Connections {
    /// Those at this moment; none without a `/proc`.
    pub(super) fn now(server_port: u16) -> Self {
        let pids: Vec<i32> = descendants().into_iter().map(nix::unistd::Pid::as_raw).collect();
        let sockets: BTreeSet<String> = pids.iter().flat_map(|pid| sockets(*pid)).collect();
        let mut ports = BTreeSet::new();
        for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
            let text = fs::read_to_string(table).unwrap_or_default();
            let found = text.lines().filter_map(connection);
            let ours = found.filter(|it| it.remote == server_port && sockets.contains(it.inode));
            ports.extend(ours.map(|it| it.local));
        }
        Self { pids: pids.into_iter().map(i64::from).collect(), ports }
    }
}

/// The inodes of the sockets that a process has open.
fn sockets(pid: i32) -> Vec<String> {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let targets = files.filter_map(|file| fs::read_link(file.path()).ok());
    targets
        .filter_map(|target| Some(target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect()
}

/// A line of `/proc/net/tcp`, by proc_pid_net(5).
#[derive(Debug, PartialEq, Eq)]
struct Connection<'a> {
    local: u16,
    remote: u16,
    inode: &'a str,
}

fn connection(line: &str) -> Option<Connection<'_>> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let mut port = || u16::from_str_radix(fields.next()?.rsplit_once(':')?.1, 16).ok();
    let (local, remote) = (port()?, port()?);
    Some(Connection { local, remote, inode: fields.nth(6)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_read_from_the_kernel_s_table() {
        let line = "   1: 0100007F:A3C6 0100007F:0CEA 01 00000000:00000000 02:000A \
                    00000000  1000        0 12345 2 0000000000000000 20 4 30 10 -1";
        let line = line.replace("02:000A ", "02:000A9D8B ");
        assert_eq!(connection(&line), Some(Connection { local: 41926, remote: 3306, inode: "12345" }));
        assert_eq!(connection("  sl  local_address rem_address   st"), None);
    }
}
