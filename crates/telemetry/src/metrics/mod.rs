//! Events as metric families, and families as text: the only module that names the `prometheus` crate.
//!
//! [`catalog`] is the table of names, [`from_event`] says what an event contributes, [`outage`] what several deployments
//! say together, [`exposition`] holds families as data that can be added up, [`parse`](mod@parse) and
//! [`encode`](mod@encode) are the two directions of the text format.

pub mod catalog;
pub mod encode;
pub mod exposition;
pub mod from_event;
pub mod outage;
pub mod parse;

pub use exposition::Exposition;
pub use from_event::{Contribution, contribution, in_progress, migration_in_progress, zeros};
pub use outage::Outage;
