//! The architecture, as far as a test can hold it: crates and modules depend on each other in one direction, files are
//! short, and the `main` of a tool is three lines.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

mod circles;
mod crates;
mod files;
mod modules;
