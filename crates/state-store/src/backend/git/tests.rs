//! Tests with the system's git: over files and HTTP, with several processes.

mod faults;
mod repository;
mod transport;
mod workers;
mod writers;
