//! A real PostgreSQL, and its `psql`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use tempfile::TempDir;

pub use crate::database::PASSWORD;
use crate::port::ReservedPort;
use crate::server::Server;
use crate::session::Session;
use crate::tls::Certificates;
use crate::{bin, database, unprivileged};

/// A PostgreSQL with its data in a folder of its own. Over TCP it requires a password.
#[derive(Debug)]
pub struct Postgres {
    server: Option<Server>,
    port: ReservedPort,
    folder: TempDir,
}

impl Default for Postgres {
    fn default() -> Self {
        Self::with(&[])
    }
}

impl Postgres {
    /// Starts a server.
    pub fn start() -> Self {
        Self::default()
    }

    /// Starts a server with these settings, such as `work_mem=64kB`.
    pub fn with(settings: &[&str]) -> Self {
        Self::new(settings, None, None)
    }

    /// Starts a server that requires TLS, and a certificate of the same authority from its clients, in addition to a password.
    pub fn with_client_certificates(certificates: &Certificates) -> Self {
        let rules = "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n";
        Self::new(&["ssl=on", "ssl_ca_file=ca.pem"], Some(certificates), Some(rules))
    }

    /// Starts a server that also speaks TLS, with this server certificate.
    pub fn with_tls(certificates: &Certificates) -> Self {
        Self::new(&["ssl=on"], Some(certificates), None)
    }

    /// `rules` are those of `pg_hba.conf`, if not the usual ones.
    fn new(settings: &[&str], certificates: Option<&Certificates>, rules: Option<&str>) -> Self {
        let folder = unprivileged::folder();
        let mut initdb = server_command("initdb");
        initdb.arg("-D").arg(folder.path().join("data"));
        initdb.args(["-U", "postgres", "--auth-local=trust", "--auth-host=scram-sha-256"]);
        initdb.args(["--no-sync", "--no-instructions", "--encoding=UTF8", "--locale=C"]);
        assert!(initdb.stdout(Stdio::null()).status().unwrap().success(), "initdb failed");
        if let Some((certificate, key)) = certificates.map(Certificates::server) {
            unprivileged::copy(&certificate, &folder.path().join("data/server.crt"));
            unprivileged::copy(&key, &folder.path().join("data/server.key"));
        }
        if let Some((certificates, rules)) = certificates.zip(rules) {
            unprivileged::copy(&certificates.authority(), &folder.path().join("data/ca.pem"));
            unprivileged::copy(&certificates.write("rules", rules), &folder.path().join("data/pg_hba.conf"));
        }
        let mut postgres = Self { server: None, port: ReservedPort::new(), folder };
        postgres.run(settings);
        let password = format!("alter role postgres password '{PASSWORD}'");
        postgres.sql(&password);
        postgres
    }

    /// Starts another server that replicates all of this one, and accepts no writes.
    #[must_use]
    pub fn replica(&self) -> Self {
        let folder = unprivileged::folder();
        let mut copy = server_command("pg_basebackup");
        copy.arg("-D").arg(folder.path().join("data")).args(["--checkpoint=fast", "--write-recovery-conf"]);
        copy.args(["--no-sync", "-U", "postgres", "-p", &self.port().to_string()]);
        copy.arg("-h").arg(self.socket_folder());
        assert!(copy.status().unwrap().success(), "pg_basebackup failed");
        let mut replica = Self { server: None, port: ReservedPort::new(), folder };
        replica.run(&[]);
        replica
    }

    /// Stops the server as a machine that fails would, and starts it again.
    pub fn crash_and_restart(&mut self) {
        self.stop(Signal::SIGQUIT);
        self.run(&[]);
    }

    /// Creates a role that may log in, with these options, such as `in role pg_monitor`.
    pub fn role(&self, name: &str, options: &str) {
        self.sql(&format!("create role {name} login password '{PASSWORD}' {options}"));
    }

    /// The URL with which `role` connects to the database `postgres`.
    pub fn url(&self, role: &str) -> String {
        self.url_of(role, "postgres")
    }

    /// The URL with which `role` connects to this database.
    pub fn url_of(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}:{PASSWORD}@127.0.0.1:{}/{database}", self.port())
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The folder of its Unix socket, which requires no password.
    pub fn socket_folder(&self) -> &Path {
        self.folder.path()
    }

    /// The result of a statement that the superuser runs, one row per line, columns separated by `|`.
    pub fn sql(&self, statement: &str) -> String {
        let mut psql = self.psql("postgres", "sql");
        psql.args(["-c", statement]);
        database::query(psql, statement)
    }

    /// The results of the statements in a script that the superuser runs, each in a transaction of its own.
    pub fn script(&self, script: &str) -> String {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(script.as_bytes()).unwrap();
        let mut psql = self.psql("postgres", "script");
        psql.arg("-f").arg(file.path());
        database::query(psql, script)
    }

    /// A session of `role` that has run `statements`, and stays open: idle, or idle in a transaction.
    pub fn session(&self, role: &str, application: &str, statements: &str) -> Session {
        self.session_in("postgres", role, application, statements)
    }

    /// The same in another database than `postgres`.
    pub fn session_in(&self, database: &str, role: &str, application: &str, statements: &str) -> Session {
        let mut psql = self.psql(role, application);
        psql.args(["-d", database]);
        Session::open(psql, &format!("{statements};\n\\echo ready"))
    }

    /// A session of `role` that runs `statement` in the background, where it may have to wait.
    pub fn background(&self, role: &str, application: &str, statement: &str) -> Session {
        self.background_in("postgres", role, application, statement)
    }

    /// The same in another database than `postgres`.
    pub fn background_in(&self, database: &str, role: &str, application: &str, statement: &str) -> Session {
        let mut psql = self.psql(role, application);
        psql.args(["-d", database, "-c", statement]);
        Session::in_background(psql)
    }

    /// The result of a statement that the superuser runs in another database than `postgres`.
    pub fn sql_in(&self, database: &str, statement: &str) -> String {
        let mut psql = self.psql("postgres", "sql");
        psql.args(["-d", database, "-c", statement]);
        database::query(psql, statement)
    }

    fn psql(&self, role: &str, application: &str) -> Command {
        let program = program("psql");
        let mut psql = database::isolate(Command::new(&program), &program);
        psql.args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-U", role, "-d", "postgres"]);
        psql.arg("-h").arg(self.folder.path()).args(["-p", &self.port().to_string()]);
        psql.env("PGAPPNAME", application);
        psql
    }

    fn run(&mut self, settings: &[&str]) {
        let mut command = server_command("postgres");
        command.arg("-D").arg(self.folder.path().join("data")).arg("-k").arg(self.folder.path());
        command.args(["-p", &self.port().to_string()]);
        // The names of time zones are in another package.
        let defaults =
            ["listen_addresses=127.0.0.1", "fsync=off", "timezone=GMT", "log_timezone=GMT", "jit=off"];
        for setting in defaults.iter().chain(settings) {
            command.args(["-c", setting]);
        }
        let ready = |line: &str| line.contains("ready to accept").then(String::new);
        self.server = Some(Server::start(command, ready));
    }

    fn stop(&mut self, signal: Signal) {
        if let Some(server) = self.server.take() {
            server.stop(signal);
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Immediate but orderly: if it were killed, its shared memory would remain.
        self.stop(Signal::SIGQUIT);
    }
}

/// A program of PostgreSQL: unpacked next to the build, or else Debian's; with `DM_TEST_POSTGRES=newest`, that which
/// `scripts/newest-postgresql.sh` unpacks.
pub fn program(name: &str) -> PathBuf {
    let newest = bin::build().join("test-servers/newest-postgresql/usr/lib/postgresql");
    let roots = match common::env::system("DM_TEST_POSTGRES").as_deref() {
        Some("newest") => vec![newest],
        _ => vec![bin::servers().join("lib/postgresql"), "/usr/lib/postgresql".into()],
    };
    let versions = roots.iter().filter_map(|root| root.read_dir().ok()).flatten().flatten();
    database::find_program(name, versions.map(|version| version.path().join("bin").join(name)))
}

/// A program of the server, which refuses to run as root.
fn server_command(name: &str) -> Command {
    let program = program(name);
    database::isolate(unprivileged::command(&program), &program)
}
