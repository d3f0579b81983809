//! A real PgBouncer, before a PostgreSQL.

use std::fs::File;
use std::io::Write as _;

use tempfile::TempDir;

use crate::database::PASSWORD;
use crate::port::ReservedPort;
use crate::postgres::Postgres;
use crate::server::Server;
use crate::{bin, database, unprivileged};

/// A PgBouncer that pools transactions of every database.
#[derive(Debug)]
pub struct PgBouncer {
    _server: Server,
    port: ReservedPort,
    _folder: TempDir,
}

impl PgBouncer {
    /// Starts it for this server and this role, with these settings, such as `ignore_startup_parameters = options`.
    pub fn start(server: &Postgres, role: &str, settings: &str) -> Self {
        let (folder, port) = (unprivileged::folder(), ReservedPort::new());
        let write = |name: &str, text: &str| {
            let file = folder.path().join(name);
            let path = folder.path().join(format!("{name}.tmp"));
            File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
            unprivileged::copy(&path, &file);
            file
        };
        let users = write("users.txt", &format!("\"{role}\" \"{PASSWORD}\"\n"));
        let config = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {}\nunix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\n\
             pool_mode = transaction\n{settings}\n",
            server.port(),
            port.number(),
            users.display()
        );
        let config = write("pgbouncer.ini", &config);
        let program = database::find_program(
            "pgbouncer",
            [bin::servers().join("sbin/pgbouncer"), "/usr/sbin/pgbouncer".into()],
        );
        let mut command = database::isolate(unprivileged::command(&program), &program);
        command.arg(&config);
        let ready = |line: &str| line.contains("process up").then(String::new);
        Self { _server: Server::start(command, ready), port, _folder: folder }
    }

    /// The URL with which `role` connects to the database `shop`.
    pub fn url(&self, role: &str) -> String {
        self.url_of(role, "shop")
    }

    /// The URL with which `role` connects to this database.
    pub fn url_of(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}:{PASSWORD}@127.0.0.1:{}/{database}", self.port.number())
    }
}
