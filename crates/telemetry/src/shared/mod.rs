//! The journal and the counters in the state that all machines share.
//!
//! A machine that is thrown away takes its state directory with it. With a shared state, the events of all machines are in
//! the document of their service, and with each event, in the same conditional write, its contribution is added to the
//! document's counters. The Pushgateway's counters are a copy of them: whoever pushes PUTs absolute totals, so it does not
//! matter who pushes, or how often, or who was killed before.
//!
//! ```text
//! event ─► journal and spool ─► document: events and totals ─► Pushgateway: the totals
//!          (this machine)       (the store)
//! ```
//!
//! Inside a stage of the same machine a tool only spools its event; the outermost tool shares all of them at its end.
//!
//! | module | owns |
//! | --- | --- |
//! | `spool` | events that are not in the store yet, in the state directory |
//! | `totals` | the counters of a document |
//! | `batch` | adding events to a document, each once |
//! | `link` | the store, and sharing what is spooled |
//! | `push` | the totals and the newest state, to the Pushgateway |
//! | `error` | why sharing failed |
//! | `session` | the conversation of one tool |
//! | `now` | sharing on demand |
//! | `merge`, `read` | the journal of all machines |

mod batch;
mod error;
mod link;
mod merge;
mod now;
mod push;
mod read;
mod session;
mod spool;
mod totals;

pub(crate) use error::ShareError;
pub(crate) use link::Link;
pub use now::flush_shared;
pub use read::{JournalOfAll, deployment_events, read_deployment, read_journal, read_since};
pub(crate) use session::{Report, SharedSession, Usable};
pub use spool::PendingEntries;
pub(crate) use spool::Spool;
