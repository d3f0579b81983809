//! Metrics: events as metric families, and families as text.
//!
//! | module | owns |
//! | --- | --- |
//! | `catalog` | the table of all families |
//! | `exposition` | families as data that can be added |
//! | `from_event` | what one event contributes |
//! | `outage` | what consecutive deployments say together: the time to restore |
//! | `parse`, `encode` | the text format, in both directions |

pub mod catalog;
pub mod encode;
pub mod exposition;
pub mod from_event;
pub mod outage;
pub mod parse;

pub use exposition::Exposition;
pub use from_event::{Contribution, contribution, in_progress, migration_in_progress, zeros};
pub use outage::Outage;
