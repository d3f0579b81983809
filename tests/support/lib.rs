//! Support for the tests that involve several tools: the built programs, real servers with private folders, fakes for
//! faults that a real server cannot produce, and a way to wait without sleeping.
//!
//! | module | contents |
//! | --- | --- |
//! | [`bin`](mod@bin) | the built tools, as commands with a private state directory |
//! | [`script`] | scripts that a test writes and then starts |
//! | [`server`] | a private server process: started, awaited, stopped by its id; HTTP client; `eventually` |
//! | [`port`] | ports that no other process gets |
//! | [`pushgateway`] | a real Pushgateway |
//! | [`postgres`] | a real PostgreSQL, and its `psql` |
//! | [`pgbouncer`] | a real PgBouncer, before a PostgreSQL |
//! | [`mariadb`] | a real MariaDB, and its client |
//! | [`nginx`] | a real nginx |
//! | [`redis`] | a real Redis, and its client |
//! | [`dnsmasq`] | a real DNS server |
//! | [`object_store`] | an S3 (moto) and an Azure blob storage (Azurite), each with a bucket |
//! | [`gcs`] | a fake of Google Cloud Storage: no emulator compares generations in its XML API |
//! | [`git_http`] | git repositories over HTTP |
//! | [`shared_store`] | a place for a shared state, of every kind, and what is in it |
//! | [`proxy`] | a proxy with faults of the network, which counts requests |
//! | [`tunnel`] | an HTTP proxy that opens tunnels |
//! | [`session`] | a client of one of them, in a process of its own |
//! | [`prometheus`] | a real Prometheus, and queries to it |
//! | [`tsdb`] | the databases that can evaluate the rules: two generations of Prometheus, and VictoriaMetrics |
//! | [`alertmanager`] | a real Alertmanager |
//! | [`process`] | processes that are not children of the test |
//! | [`release_server`] | a server of releases: GitHub's, as far as an installation needs it |
//! | [`sample`] | the sample service |
//! | [`platform`] | the folder to which `deploy-all.sh` deploys it |
//! | [`site`] | a service of several components in a folder, deployed by `deploy-all.sh` with one-line commands |
//! | [`fault`] | servers that refuse, hang, answer 500 or never end; and one that records its requests |
//! | [`railway`] | Railway's API, as far as a rollback needs it |
//! | [`https`] | a server with a good certificate, or a bad one |
//! | [`terminal`] | a terminal with a program in its foreground |
//! | [`tls`] | certificates: an authority's, a server's, a client's |
//! | [`trial`] | the seed and the number of rounds of a long trial |
//! | [`world`] | the state of a hosted platform that a fake plays |
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "test support: a panic is a failed test")]

pub mod alertmanager;
pub mod bin;
mod database;
pub mod dnsmasq;
pub mod fault;
pub mod gate;
pub mod gcs;
pub mod git_http;
pub mod https;
pub mod mariadb;
pub mod metrics_receiver;
pub mod nginx;
pub mod object_store;
pub mod pgbouncer;
pub mod platform;
pub mod port;
pub mod postgres;
pub mod process;
pub mod prometheus;
pub mod proxy;
pub mod pushgateway;
pub mod railway;
pub mod redis;
pub mod release_server;
pub mod sample;
pub mod script;
pub mod server;
pub mod session;
pub mod shared_store;
pub mod site;
pub mod terminal;
pub mod tls;
pub mod trial;
pub mod tsdb;
pub mod tunnel;
mod unprivileged;
pub mod world;
