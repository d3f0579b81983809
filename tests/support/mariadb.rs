//! A real MariaDB, and its client.

use std::fs::File;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::postgres::PASSWORD;
use crate::server::Server;
use crate::session::Session;
use crate::tls::Certificates;
use crate::{bin, nobody};

/// A MariaDB with its data in a folder of its own, and an empty database `shop`. Root is let in by its socket.
#[derive(Debug)]
pub struct Mariadb {
    server: Option<Server>,
    port: u16,
    folder: TempDir,
}

impl Default for Mariadb {
    fn default() -> Self {
        Self::with(&[])
    }
}

impl Mariadb {
    /// Starts one.
    pub fn start() -> Self {
        Self::default()
    }

    /// Starts one with these flags, such as `--performance-schema`.
    pub fn with(flags: &[&str]) -> Self {
        Self::at(nobody::folder(), flags)
    }

    /// Starts one that speaks TLS too, with the server's certificate of these; it listens on 127.0.0.2 as well.
    pub fn with_tls(certificates: &Certificates) -> Self {
        let folder = nobody::folder();
        let [certificate, key] = ["server.crt", "server.key"].map(|name| folder.path().join(name));
        nobody::give(&certificates.server().0, &certificate);
        nobody::give(&certificates.server().1, &key);
        let flag = |name: &str, file: &Path| format!("--ssl-{name}={}", file.display());
        let flags =
            [flag("cert", &certificate), flag("key", &key), "--bind-address=127.0.0.1,127.0.0.2".to_owned()];
        Self::at(folder, &flags.each_ref().map(String::as_str))
    }

    fn at(folder: TempDir, flags: &[&str]) -> Self {
        // A server cannot be told to take any free port.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut mariadb = Self { server: None, port, folder };
        mariadb.bootstrap();
        mariadb.run(flags);
        mariadb.sql("create database shop");
        mariadb
    }

    /// Makes an account that may log in from this machine, with `grants` such as `all on shop.*`.
    pub fn account(&self, name: &str, grants: &[&str]) {
        self.sql(&format!("create user {name}@'127.0.0.1' identified by '{PASSWORD}'"));
        for grant in grants {
            self.sql(&format!("grant {grant} to {name}@'127.0.0.1'"));
        }
    }

    /// The URL by which `account` reaches the database `shop`; the password is PostgreSQL's.
    pub fn url(&self, account: &str) -> String {
        format!("mysql://{account}:{PASSWORD}@127.0.0.1:{}/shop", self.port)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What root is told of the database `shop`, a row a line, columns by tabs.
    #[expect(clippy::disallowed_methods, reason = "the client starts nobody who could hold the pipe")]
    pub fn sql(&self, statement: &str) -> String {
        let answer = self.root().args(["-e", statement]).output().unwrap();
        let error = String::from_utf8_lossy(&answer.stderr);
        assert!(answer.status.success(), "{statement}: {error}");
        String::from_utf8(answer.stdout).unwrap().trim_end().to_owned()
    }

    /// A session of `account` that runs `statements`, and then stays as they leave it.
    pub fn session(&self, account: &str, statements: &str) -> Session {
        Session::open(self.client(account), &format!("{statements};\nselect 'ready';"))
    }

    /// A session of `account` that is left alone with `statement`, which may have to wait.
    pub fn background(&self, account: &str, statement: &str) -> Session {
        let mut client = self.client(account);
        client.args(["-e", statement]);
        Session::left_alone(client)
    }

    fn root(&self) -> Command {
        let mut client = client();
        client.args(["-NB", "-u", "root"]).arg("-S").arg(self.socket());
        // Before there is one, there is nothing in it that could be asked for.
        client.args(if self.folder.path().join("shop").exists() { &["shop"][..] } else { &[] });
        client
    }

    fn client(&self, account: &str) -> Command {
        let mut client = client();
        client.args(["-nNB", "-h", "127.0.0.1", "-P", &self.port.to_string(), "-u", account, "shop"]);
        client.env("MYSQL_PWD", PASSWORD);
        client
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Makes the server's own tables, as `mariadb-install-db` does, without its texts of help and the schema `sys`.
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
        let made = server.stderr(File::create(&log).unwrap()).status().unwrap();
        let said = || std::fs::read_to_string(&log).unwrap_or_default();
        assert!(made.success(), "mariadbd --bootstrap failed: {}", said());
    }

    fn run(&mut self, flags: &[&str]) {
        let mut server = self.server();
        server.arg("--socket").arg(self.socket()).args(["--port", &self.port.to_string()]);
        server.args(["--bind-address=127.0.0.1", "--skip-name-resolve"]).args(flags);
        let ready = |line: &str| line.contains("ready for connections").then(String::new);
        self.server = Some(Server::start(server, ready));
    }

    fn server(&self) -> Command {
        let mut server = Command::new(program("sbin/mariadbd"));
        server.arg("--no-defaults").arg("--datadir").arg(self.folder.path());
        // A server that starts clears away what others have in the same one.
        server.arg("--tmpdir").arg(self.folder.path());
        server.arg("--lc-messages-dir").arg(share()).args(["--innodb-log-file-size=4M"]);
        server.args(["--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=0"]);
        // The kernel has few of its own requests for all who run as nobody.
        server.arg("--innodb-use-native-aio=0");
        // Not as root. It changes its user by itself, once it is loaded: nobody may not be let into the folder that it
        // was unpacked in.
        server.args(nobody::name().map(|name| format!("--user={name}")));
        in_private(server)
    }
}

impl Drop for Mariadb {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.end_by(Signal::SIGKILL);
        }
    }
}

/// MariaDB's client: a program of `mysql`'s command line.
pub fn client_program() -> PathBuf {
    program("bin/mariadb")
}

fn client() -> Command {
    let mut client = Command::new(client_program());
    client.arg("--no-defaults");
    in_private(client)
}

/// A program of MariaDB: unpacked beside the build, else Debian's.
fn program(path: &str) -> PathBuf {
    let mut found = [bin::servers().join(path), Path::new("/usr").join(path)].into_iter();
    found
        .find(|program| program.exists())
        .unwrap_or_else(|| panic!("MariaDB's {path} is not there: ./scripts/test.sh installs it"))
}

fn share() -> PathBuf {
    program("share/mysql")
}

/// Without the machine's own variables; with the libraries that came with it.
fn in_private(mut command: Command) -> Command {
    command.env_clear().env("PATH", "/usr/bin:/bin").current_dir("/");
    command.env("LD_LIBRARY_PATH", bin::libraries());
    command
}
