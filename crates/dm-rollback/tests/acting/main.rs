//! The actions of dm-rollback after a verdict: safeguards, notifications, triggers, and what remains after a kill.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

mod killed;
mod notifications;
mod safeguards;
mod team;
mod trigger;
