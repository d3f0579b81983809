//! Tests with the system's git: over files and HTTP, with several processes.

mod faults;
mod http_server;
mod repository;
mod transport;
mod workers;
mod writers;
