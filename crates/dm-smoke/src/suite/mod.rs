//! The suite file: the model of a suite, its parsing and its validation.

pub mod assertion;
pub mod capture;
mod command;
pub mod dependencies;
mod expect;
mod fields;
pub mod file;
mod http;
pub mod model;
mod position;
pub mod reader;
pub mod template;
mod test;
