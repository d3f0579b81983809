//! What two or more of the tools need, one noun a module.
//!
//! ```text
//! argv/env ─► Args ─► Plan ─► run(Plan) ─► Event ─► record(Event) ─► Exit
//!            clap    checked  the only     plain    journal line,     computed from
//!                    values   part that    data     metrics           the Event alone
//!                             acts
//! ```
//!
//! Leaves first; nothing uses what stands below it.
//!
//! | module | owns |
//! | --- | --- |
//! | [`exit`] | the exit-code table |
//! | [`clock`] | wall clock for *when*, monotonic clock for *how long* |
//! | [`duration`] | `1m30s`, read and written |
//! | [`env`](mod@env) | the environment, as something that can be passed in |
//! | [`label`] | values that are safe as labels; stage names |
//! | [`secrets`] | what must not be shown of other people's text |
//! | [`cli`] | the `main` of every tool, and the one place where errors are told |
//! | [`atomic`] | files that are never seen half written |
//! | [`lock`] | one writer at a time |
//! | [`lines`] | an append-only file of JSON |
//! | [`http`] | one HTTP client: bounded time, bounded bodies |
//! | [`flags`] | the flags that tools share |
//! | [`ci`] | what a CI system's variables say of the run |
//! | [`git`] | the commit checked out here |
//! | [`trace`] | the position in a W3C trace |
//! | [`identity`] | which deployment this is |
//! | [`scope`] | work that has begun |
//! | [`event`] | what happened: one finished piece of work |
//! | [`stream`] | the JSON Lines between the tools |
//! | [`journal`] | events on disk |
//! | [`metrics`] | events as metric families, and their text |
//! | [`textfile`] | the families in a file for `node_exporter` |
//! | [`gateway`] | the Pushgateway: groups, read-add-put, budget |
//! | [`record`] | one event to the journal, the textfile and the gateway |
//! | [`context`] | what every tool knows before it does anything |
//! | [`github`] | what GitHub Actions is told: groups, annotations, the summary |
//! | [`paint`] | colours for what people read at a glance |
//! | [`status_line`] | one live line at the foot of a terminal |
//! | [`process`] | a child: spawn, signals, deadline, resource usage; or its output, captured |
//! | [`stop`] | the signals that ask for the end |
//! | [`wrap`] | a child as a recorded stage |
#![warn(missing_docs)]

pub mod atomic;
pub mod ci;
pub mod cli;
pub mod clock;
pub mod context;
pub mod duration;
pub mod env;
pub mod event;
pub mod exit;
pub mod flags;
pub mod gateway;
pub mod git;
pub mod github;
pub mod http;
pub mod identity;
pub mod journal;
pub mod label;
pub mod lines;
pub mod lock;
pub mod metrics;
pub mod paint;
pub mod process;
pub mod record;
pub mod scope;
pub mod secrets;
pub mod status_line;
pub mod stop;
pub mod stream;
pub mod textfile;
pub mod trace;
pub mod wrap;
