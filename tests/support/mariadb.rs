//! A real MariaDB, and its client.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::database::PASSWORD;
use crate::port::ReservedPort;
use crate::server::Server;
use crate::session::Session;
use crate::tls::Certificates;
use crate::{bin, database, unprivileged};

/// A MariaDB with its data in a folder of its own, and an empty database `shop`. Root logs in through its socket,
/// without a password.
#[derive(Debug)]
pub struct Mariadb {
    server: Option<Server>,
    port: ReservedPort,
    folder: TempDir,
}

impl Default for Mariadb {
    fn default() -> Self {
        Self::with(&[])
    }
}

impl Mariadb {
    /// Starts a server.
    pub fn start() -> Self {
        Self::default()
    }

    /// Starts a server with these flags, such as `--performance-schema`.
    pub fn with(flags: &[&str]) -> Self {
        Self::new(unprivileged::folder(), ReservedPort::new(), flags)
    }

    /// Starts a server that also speaks TLS, with this server certificate; it listens on 127.0.0.2 as well.
    pub fn with_tls(certificates: &Certificates) -> Self {
        let folder = unprivileged::folder();
        let [certificate, key] = ["server.crt", "server.key"].map(|name| folder.path().join(name));
        unprivileged::copy(&certificates.server().0, &certificate);
        unprivileged::copy(&certificates.server().1, &key);
        let flag = |name: &str, file: &Path| format!("--ssl-{name}={}", file.display());
        let flags =
            [flag("cert", &certificate), flag("key", &key), "--bind-address=127.0.0.1,127.0.0.2".to_owned()];
        Self::new(folder, ReservedPort::on_two_addresses(), &flags.each_ref().map(String::as_str))
    }

    fn new(folder: TempDir, port: ReservedPort, flags: &[&str]) -> Self {
        let mut mariadb = Self { server: None, port, folder };
        mariadb.bootstrap();
        mariadb.run(flags);
        mariadb.sql("create database shop");
        mariadb
    }

    /// Creates an account that may log in from this machine, with `grants` such as `all on shop.*`.
    pub fn account(&self, name: &str, grants: &[&str]) {
        self.sql(&format!("create user {name}@'127.0.0.1' identified by '{PASSWORD}'"));
        for grant in grants {
            self.sql(&format!("grant {grant} to {name}@'127.0.0.1'"));
        }
    }

    /// The URL with which `account` connects to the database `shop`; the password is the one of PostgreSQL.
    pub fn url(&self, account: &str) -> String {
        format!("mysql://{account}:{PASSWORD}@127.0.0.1:{}/shop", self.port())
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The result of a statement that root runs in the database `shop`, one row per line, columns separated by tabs.
    pub fn sql(&self, statement: &str) -> String {
        let mut client = self.root();
        client.args(["-e", statement]);
        database::query(client, statement)
    }

    /// A session of `account` that has run `statements`, and stays open.
    pub fn session(&self, account: &str, statements: &str) -> Session {
        Session::open(self.client(account), &format!("{statements};\nselect 'ready';"))
    }

    /// A session of `account` that runs `statement` in the background, where it may have to wait.
    pub fn background(&self, account: &str, statement: &str) -> Session {
        let mut client = self.client(account);
        client.args(["-e", statement]);
        Session::in_background(client)
    }

    fn root(&self) -> Command {
        let mut client = client();
        client.args(["-NB", "-u", "root"]).arg("-S").arg(self.socket());
        // The first statement creates the database.
        client.args(if self.folder.path().join("shop").exists() { &["shop"][..] } else { &[] });
        client
    }

    fn client(&self, account: &str) -> Command {
        let mut client = client();
        client.args(["-nNB", "-h", "127.0.0.1", "-P", &self.port().to_string(), "-u", account, "shop"]);
        client.env("MYSQL_PWD", PASSWORD);
        client
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Creates the server's own tables as `mariadb-install-db` does, without its help texts and the schema `sys`.
    fn bootstrap(&self) {
        let mut script = File::create(self.folder.path().join("bootstrap.sql")).unwrap();
        script.write_all(b"create database mysql;\nuse mysql;\n").unwrap();
        for part in ["system_tables", "performance_tables", "system_tables_data"] {
            let text = std::fs::read(share().join(format!("mysql_{part}.sql"))).unwrap();
            script.write_all(&text).unwrap();
            script.write_all(b"\nuse mysql;\n").unwrap();
        }
        let script = File::open(self.folder.path().join("bootstrap.sql")).unwrap();
        let mut server = self.server();
        server.args(["--bootstrap", "--log-warnings=0"]).stdin(script);
        let log = self.folder.path().join("bootstrap.log");
        let status = server.stderr(File::create(&log).unwrap()).status().unwrap();
        let errors = || std::fs::read_to_string(&log).unwrap_or_default();
        assert!(status.success(), "mariadbd --bootstrap failed: {}", errors());
    }

    fn run(&mut self, flags: &[&str]) {
        let mut server = self.server();
        server.arg("--socket").arg(self.socket()).args(["--port", &self.port().to_string()]);
        server.args(["--bind-address=127.0.0.1", "--skip-name-resolve"]).args(flags);
        let ready = |line: &str| line.contains("ready for connections").then(String::new);
        self.server = Some(Server::start(server, ready));
    }

    fn server(&self) -> Command {
        let program = program("sbin/mariadbd");
        let mut server = Command::new(&program);
        server.arg("--no-defaults").arg("--datadir").arg(self.folder.path());
        // At its start a server deletes the temporary files of others in the same folder.
        server.arg("--tmpdir").arg(self.folder.path());
        server.arg("--lc-messages-dir").arg(share()).args(["--innodb-log-file-size=4M"]);
        server.args(["--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=0"]);
        // The kernel has only a few asynchronous requests for all processes of one user.
        server.arg("--innodb-use-native-aio=0");
        // It changes its user itself, once it is loaded: nobody may not enter the folder that it was unpacked in.
        server.args(unprivileged::user_name().map(|name| format!("--user={name}")));
        database::isolate(server, &program)
    }
}

impl Drop for Mariadb {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop(Signal::SIGKILL);
        }
    }
}

/// MariaDB's client, which has the command line of `mysql`.
pub fn client_program() -> PathBuf {
    program("bin/mariadb")
}

fn client() -> Command {
    let program = client_program();
    let mut client = Command::new(&program);
    client.arg("--no-defaults");
    database::isolate(client, &program)
}

/// A file of MariaDB: unpacked next to the build, or else Debian's.
fn program(path: &str) -> PathBuf {
    database::find_program(path, [bin::servers().join(path), Path::new("/usr").join(path)])
}

fn share() -> PathBuf {
    program("share/mysql")
}
