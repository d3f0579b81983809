//! The suite file: the model of a suite, its parsing and its validation.

pub(crate) mod assertion;
pub(crate) mod capture;
mod captures;
mod command;
pub(crate) mod connection;
mod connection_fields;
mod defaults;
pub(crate) mod dependencies;
mod expect;
pub(crate) mod expected;
mod fields;
pub(crate) mod file;
mod http;
mod loader;
pub(crate) mod model;
mod payload;
mod position;
pub(crate) mod reader;
pub(crate) mod row;
pub(crate) mod run_values;
mod settings;
mod tables;
pub(crate) mod template;
mod test;

pub use connection::Tls;
pub use tables::{Table, TableExpectation, TableFile, TableRequest, Tables, read_tables};
