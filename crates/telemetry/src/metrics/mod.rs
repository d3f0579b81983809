//! Metrics: events as metric families, and families as text.
//!
//! | module | owns |
//! | --- | --- |
//! | `catalog` | the table of all families |
//! | `counts` | what many events count |
//! | `exposition` | families as data that can be added |
//! | `from_event` | what one event contributes |
//! | `outage` | what consecutive deployments say together: the time to restore |
//! | `parse`, `encode` | the text format, in both directions |

pub mod catalog;
mod counts;
pub(crate) mod encode;
pub(crate) mod exposition;
pub(crate) mod from_event;
pub(crate) mod outage;
pub(crate) mod parse;

pub use counts::Counts;
pub(crate) use exposition::Exposition;
pub(crate) use from_event::{
    Contribution, contribution, in_progress, migration_in_progress, stage_start, zeros,
};
pub(crate) use outage::Outage;
