//! Files: in a folder of our own, replaced in one step, locked across processes, appended to as JSON Lines, and read up to
//! a limit.

pub mod atomic;
pub mod bounded;
pub mod jsonl;
pub mod lock;
mod lock_holder;
mod lock_wait;
pub mod name;
mod private_dir;
mod private_file;

pub use private_dir::PrivateDir;
