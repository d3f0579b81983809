//! What the cross-tool stories need: the built programs, real servers in a private place, fakes for faults that a
//! real server cannot produce, and a way to wait without sleeping.
//!
//! | module | owns |
//! | --- | --- |
//! | [`bin`](mod@bin) | the built tools, as commands with a private state directory |
//! | [`server`] | a server process of our own: started, waited for, stopped by its id |
//! | [`pushgateway`] | a real Pushgateway |
//! | [`postgres`] | a real PostgreSQL, and its `psql` |
//! | [`mariadb`] | a real MariaDB, and its client |
//! | [`session`] | a client of one of them, in a process of its own |
//! | [`prometheus`] | a real Prometheus, and what it answers |
//! | [`alertmanager`] | a real Alertmanager |
//! | [`sample`] | the sample service |
//! | [`platform`] | the folder to which `deploy-all.sh` deploys it |
//! | [`fault`] | servers that refuse, hang, answer 500 or never end; and one that records what it is asked |
//! | [`railway`] | Railway's API, as far as a rollback needs it |
//! | [`https`] | a server with a good certificate, or a bad one |
//! | [`terminal`] | a terminal, with a program in its foreground |
//! | [`tls`] | certificates: an authority, a server's, a client's |
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "test support: a panic is a failed test")]

pub mod alertmanager;
pub mod bin;
pub mod fault;
pub mod https;
pub mod mariadb;
mod nobody;
pub mod platform;
pub mod postgres;
pub mod prometheus;
pub mod pushgateway;
pub mod railway;
pub mod sample;
pub mod server;
pub mod session;
pub mod terminal;
pub mod tls;
