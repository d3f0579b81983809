//! The shared state of deployments: documents with versions, in an object store, a git repository or a folder.
//!
//! It owns the URL that selects a store ([`StoreUrl`]), reading and conditional writing of bytes ([`Store`]), the document
//! of one service in one environment ([`Document`], [`SharedState`]), and the lease that one deployment or rollback at a
//! time holds ([`Lease`]). It does not own what the entries of a document mean: ledger entries belong to dm-rollback,
//! events and counters to `telemetry`. Nothing else in the workspace knows which backend is used.
#![warn(missing_docs)]

mod acquisition;
mod backend;
mod cache;
mod document;
mod error;
mod expiry;
mod held_lease;
mod holder_process;
mod key;
mod lease;
mod local_folder;
mod moment;
mod object;
mod shared_state;
mod store;
mod store_url;

pub use acquisition::{AcquireError, Patience};
pub use document::{Document, Segment};
pub use error::StoreError;
pub use held_lease::{HeldLease, Trouble};
pub use holder_process::HolderProcess;
pub use key::Key;
pub use lease::{Acquired, Holder, Lease, LeaseRequest, Renewal};
pub use object::{Object, Version};
pub use shared_state::SharedState;
pub use store::Store;
pub use store_url::StoreUrl;
