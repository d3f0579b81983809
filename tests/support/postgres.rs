//! A real PostgreSQL, and its `psql`.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::server::Server;
use crate::session::Session;
use crate::tls::Certificates;
use crate::{bin, nobody};

/// The password of every role that [`Postgres::url`] names.
pub const PASSWORD: &str = "s3cr3t-of-the-tests";

/// A PostgreSQL with its data in a folder of its own. Over TCP it asks for a password.
#[derive(Debug)]
pub struct Postgres {
    server: Option<Server>,
    port: u16,
    folder: TempDir,
}

impl Default for Postgres {
    fn default() -> Self {
        Self::with(&[])
    }
}

impl Postgres {
    /// Starts one.
    pub fn start() -> Self {
        Self::default()
    }

    /// Starts one with these settings, such as `work_mem=64kB`.
    pub fn with(settings: &[&str]) -> Self {
        Self::new(settings, None)
    }

    /// Starts one that speaks TLS too, with the server's certificate of these.
    pub fn with_tls(certificates: &Certificates) -> Self {
        Self::new(&["ssl=on"], Some(certificates))
    }

    fn new(settings: &[&str], certificates: Option<&Certificates>) -> Self {
        let folder = nobody::folder();
        let mut initdb = server_command("initdb");
        initdb.arg("-D").arg(folder.path().join("data"));
        initdb.args(["-U", "postgres", "--auth-local=trust", "--auth-host=scram-sha-256"]);
        initdb.args(["--no-sync", "--no-instructions", "--encoding=UTF8", "--locale=C"]);
        assert!(initdb.stdout(Stdio::null()).status().unwrap().success(), "initdb failed");
        if let Some((certificate, key)) = certificates.map(Certificates::server) {
            nobody::give(&certificate, &folder.path().join("data/server.crt"));
            nobody::give(&key, &folder.path().join("data/server.key"));
        }
        // A server cannot be told to take any free port.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut postgres = Self { server: None, port, folder };
        postgres.run(settings);
        let password = format!("alter role postgres password '{PASSWORD}'");
        postgres.sql(&password);
        postgres
    }

    /// Ends the server as a failing machine would, and starts it again.
    pub fn crash_and_restart(&mut self) {
        self.stop(Signal::SIGQUIT);
        self.run(&[]);
    }

    /// Makes a role that may log in, and what else `more` says, such as `in role pg_monitor`.
    pub fn role(&self, name: &str, more: &str) {
        self.sql(&format!("create role {name} login password '{PASSWORD}' {more}"));
    }

    /// The URL by which `role` reaches the database `postgres`.
    pub fn url(&self, role: &str) -> String {
        format!("postgres://{role}:{PASSWORD}@127.0.0.1:{}/postgres", self.port)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its unix socket, which asks for no password.
    pub fn socket_folder(&self) -> &Path {
        self.folder.path()
    }

    /// What the superuser is told, a row a line, columns by `|`.
    #[expect(clippy::disallowed_methods, reason = "psql starts nobody who could hold the pipe")]
    pub fn sql(&self, statement: &str) -> String {
        let answer = self.psql("postgres", "sql").args(["-c", statement]).output().unwrap();
        let error = String::from_utf8_lossy(&answer.stderr);
        assert!(answer.status.success(), "{statement}: {error}");
        String::from_utf8(answer.stdout).unwrap().trim_end().to_owned()
    }

    /// A session of `role` that runs `statements`, and then stays as they leave it: idle, or idle in a transaction.
    pub fn session(&self, role: &str, application: &str, statements: &str) -> Session {
        Session::open(self.psql(role, application), &format!("{statements};\n\\echo ready"))
    }

    /// A session of `role` that is left alone with `statement`, which may have to wait.
    pub fn background(&self, role: &str, application: &str, statement: &str) -> Session {
        let mut psql = self.psql(role, application);
        psql.args(["-c", statement]);
        Session::left_alone(psql)
    }

    fn psql(&self, role: &str, application: &str) -> Command {
        let mut psql = command("psql");
        psql.args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-U", role, "-d", "postgres"]);
        psql.arg("-h").arg(self.folder.path()).args(["-p", &self.port.to_string()]);
        psql.env("PGAPPNAME", application);
        psql
    }

    fn run(&mut self, settings: &[&str]) {
        let mut command = server_command("postgres");
        command.arg("-D").arg(self.folder.path().join("data")).arg("-k").arg(self.folder.path());
        command.args(["-p", &self.port.to_string()]);
        // The names of time zones are in another package.
        let ours = ["listen_addresses=127.0.0.1", "fsync=off", "timezone=GMT", "log_timezone=GMT", "jit=off"];
        for setting in ours.iter().chain(settings) {
            command.args(["-c", setting]);
        }
        let ready = |line: &str| line.contains("ready to accept connections").then(String::new);
        self.server = Some(Server::start(command, ready));
    }

    fn stop(&mut self, signal: Signal) {
        if let Some(server) = self.server.take() {
            server.end_by(signal);
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // At once, yet in order: killed, it would leave its shared memory behind.
        self.stop(Signal::SIGQUIT);
    }
}

/// A program of PostgreSQL: unpacked beside the build, else Debian's. Any version does.
pub fn program(name: &str) -> PathBuf {
    let roots = [bin::servers().join("lib/postgresql"), "/usr/lib/postgresql".into()];
    let folders = roots.iter().filter_map(|root| root.read_dir().ok()).flatten().flatten();
    let mut programs = folders.map(|folder| folder.path().join("bin").join(name));
    let found = programs.find(|program| program.exists());
    found.unwrap_or_else(|| panic!("PostgreSQL's {name} is not there: ./scripts/test.sh installs it"))
}

/// A program of the server, which refuses to run as root.
fn server_command(name: &str) -> Command {
    let program = program(name);
    on_its_own(nobody::command(&program), &program)
}

fn command(name: &str) -> Command {
    let program = program(name);
    on_its_own(Command::new(&program), &program)
}

/// The command with nothing of our surroundings.
fn on_its_own(mut command: Command, program: &Path) -> Command {
    command.env_clear().env("PATH", "/usr/bin:/bin").current_dir("/");
    // What was unpacked beside the programs, the machine may not have.
    if program.starts_with(bin::servers()) {
        command.env("LD_LIBRARY_PATH", bin::libraries());
    }
    command
}
