//! Imports the results of other test runners.

mod duration;
mod encoding;
pub(crate) mod junit;
mod record;
mod report;
mod source;
pub(crate) mod tap;

pub(crate) use record::to_records;
pub(crate) use report::{ImportedReport, ImportedTest};
pub(crate) use source::{Format, ReportSource, parse_path, read};
