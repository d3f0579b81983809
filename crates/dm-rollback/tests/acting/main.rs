//! What dm-rollback does about a verdict: under which safeguards, and what is left when it is killed.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

mod killed;
mod safeguards;
mod team;
mod telling;
mod webhook;
