//! The app on its server.

use std::path::PathBuf;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::bin::{self, Machine};
use testkit::nginx::Nginx;
use testkit::port::ReservedPort;
use testkit::postgres::Postgres;
use testkit::server::client;
use testkit::trial;

/// What a team has in its repository.
const REPOSITORY: &str = "e2e/real_app/app";

/// A server with nginx and PostgreSQL, and a checkout of the app on the same machine. Dropping it stops the API.
#[derive(Debug)]
pub(super) struct App {
    machine: Machine,
    pub(super) postgres: Postgres,
    nginx: Nginx,
    _api: ReservedPort,
}

impl App {
    /// An app that was never deployed.
    pub(super) fn new() -> Self {
        let (machine, postgres, api) = (Machine::new(), Postgres::start(), ReservedPort::new());
        postgres.role("shop", "in role pg_monitor");
        postgres.sql("create database shop owner shop");
        let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let folder = machine.folder().to_owned();
        let checkout = folder.join("checkout");
        let copied = Command::new("cp").arg("-R").arg(here.join(REPOSITORY)).arg(&checkout).status();
        assert!(copied.unwrap().success());
        std::os::unix::fs::symlink(here.join("../scripts"), checkout.join("scripts")).unwrap();
        for name in ["srv/api", "srv/web", "nginx"] {
            std::fs::create_dir_all(folder.join(name)).unwrap();
        }
        let template = std::fs::read_to_string(checkout.join("nginx.conf")).unwrap();
        let nginx = Nginx::start(&folder, |address| {
            let text = template.replace("FOLDER", folder.to_str().unwrap());
            text.replace("ADDRESS", address).replace("API", &api.address())
        });
        let tools = [bin::path("dm-stage"), bin::dbmate()].map(|tool| tool.parent().unwrap().to_owned());
        let path = format!("{}:{}:/usr/local/bin:/usr/bin:/bin", tools[0].display(), tools[1].display());
        let database = format!("{}?sslmode=disable", postgres.url_of("shop", "shop"));
        let second = trial::second();
        let machine = machine
            .with("PATH", &path)
            .with("SRV", folder.join("srv").to_str().unwrap())
            .with("ORIGIN", &nginx.url())
            .with("API_ADDRESS", &api.address())
            .with("DATABASE_URL", &database)
            .with("DM_BUCKET", &format!("{}ms", 10 * second.as_millis()))
            .with("RELEASES_INTERVAL", "0.2")
            .with("RELEASES_TIMEOUT", "60");
        Self { machine, postgres, nginx, _api: api }
    }

    /// An app whose version 1 is live, and proved good.
    pub(super) fn with_good_version() -> Self {
        let app = Self::new();
        let (code, said) = crate::deploy_failing::run(app.deploy("1", ""));
        assert_eq!(code, 0, "{said}");
        app
    }

    /// The machine that runs the deployments.
    pub(super) fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Changes a file of the checkout.
    pub(super) fn edit(&self, name: &str, text: &str) {
        let path = self.machine.folder().join("checkout").join(name);
        common::fs::atomic::write(&path, text.as_bytes()).unwrap();
    }

    /// Changes a file of the checkout by this function. Returns what was in it.
    pub(super) fn change(&self, name: &str, change: impl FnOnce(&str) -> String) -> String {
        let before = std::fs::read_to_string(self.machine.folder().join("checkout").join(name)).unwrap();
        self.edit(name, &change(&before));
        before
    }

    /// A command that deploys the checkout as `version`. The lines of `config` follow the app's configuration. The times
    /// are those of `scripts/deploy.env.example`, except that a second is shorter, and that no watch ends before the
    /// version is proven good or bad, however slow the machine is.
    pub(super) fn deploy(&self, version: &str, config: &str) -> Command {
        let second = trial::second().as_millis();
        let times = format!(
            "HEALTH_INTERVAL={second}ms HEALTH_DEADLINE=2m WATCH={}ms..20m WATCH_INTERVAL={second}ms",
            60 * second
        );
        let file = format!("deploy-{version}.env");
        self.edit(&file, &format!(". ./deploy.env\n{times}\n{config}\n"));
        let mut command = self.machine.shell(&format!("exec scripts/deploy-all.sh --config {file}"));
        command.current_dir(self.machine.folder().join("checkout"));
        command.env("DM_VERSION", version);
        command
    }

    /// The versions of API and front end that nginx serves.
    pub(super) fn live(&self) -> (String, String) {
        let version_of = |path: &str| {
            let response = client().get(format!("{}{path}", self.nginx.url())).send().unwrap();
            let version =
                response.headers().get("X-Version").map(|version| version.to_str().unwrap().to_owned());
            let version = version.unwrap_or_else(|| format!("none: {}", response.status()));
            (version, response.text().unwrap())
        };
        let (api, _) = version_of("/api/orders");
        let (web, page) = version_of("/");
        assert!(page.contains(&format!("Tea shop, version {web}<")), "{web}: {page}");
        (api, web)
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let pid = std::fs::read_to_string(self.machine.folder().join("srv/api/pid")).unwrap_or_default();
        if let Ok(pid) = pid.trim().parse() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}
