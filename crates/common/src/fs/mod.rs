//! Files: replaced in one step, locked across processes, appended to as JSON Lines.

pub mod atomic;
pub mod jsonl;
pub mod lock;
