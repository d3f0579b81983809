//! The actions of dm-rollback after a verdict: safeguards, notifications, triggers, and what remains after a kill.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

mod attempts;
mod clocks;
mod hostile_state;
mod killed;
mod notifications;
mod records;
mod releases;
mod reported;
mod safeguards;
mod shared;
mod signals;
mod team;
mod trigger;
