//! Decides from evidence whether to roll back, rolls back, and verifies the result.
//!
//! ```text
//! dm-health --url https://api/health --watch 5m | dm-rollback --if-error-rate 5 -- ./rollback.sh
//! ```
//!
//! This crate owns the sources of evidence, the decision, the safeguards, the ledger of versions and rollbacks, and the
//! notifications. It does not know how to roll back a platform: that is the job of the user's command. It does not
//! probe a service either: it reads the records of other tools, and calls dm-health to verify a rollback.
//!
//! | exit | meaning |
//! | --- | --- |
//! | 0 | keep: the version is good, with enough data to say so |
//! | 1 | bad, and nothing went live, so there is nothing to roll back |
//! | 3 | inconclusive: no data, too little data, or the producer of the data died |
//! | 10 | rolled back, and verified |
//! | 11 | a rollback is needed and was not done: `--dry-run`, or a safeguard |
//! | 12 | a rollback was tried, and failed or was not verified |
//! | 75 | a rollback is needed; another one is running, or the cool-down after the last one is not over |

mod args;
mod command;
mod decision;
mod evidence;
mod execute;
mod ledger;
mod notify;
mod plan;
mod report;
mod run;
mod safeguards;
mod source;
mod trigger;
mod verify;

pub use args::{Args, TOOL};
pub use command::{Command, plan, run};

/// The evidence and the decision, for simulations.
pub mod simulation {
    pub use crate::decision::{Policy, decide};
    pub use crate::evidence::{Criteria, Evidence, Requests};
}
