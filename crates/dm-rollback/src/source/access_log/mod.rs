//! Requests in an access log: the combined format of nginx and Apache, or JSON Lines.

pub(super) mod args;
mod backlog;
mod combined;
mod entry;
mod fields;
mod filters;
mod json;
mod lag;
mod log;
mod order;
mod outcome;
mod recent;
mod tally;
mod time;

use std::io::{ErrorKind, Read, stdin};
use std::os::fd::AsFd;
use std::time::Duration;

use common::clock::{Clock, Stopwatch};
use common::duration::format_duration;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::evidence::{Criteria, Evidence};
use crate::report::note;
use args::LogArgs;
use log::Log;

/// How long a log without `--watch` is read after a proof, to see whether it is in the order of time.
const READ_ON: Duration = Duration::from_secs(10);

/// Reads stdin to its end, or for the duration `watch`, or until the evidence is decisive. A log that ended long ago is
/// evidence only if `allow_recording` is set.
pub(crate) fn read(
    criteria: Criteria,
    args: &LogArgs,
    watch: Option<Duration>,
    allow_recording: bool,
    clock: &dyn Clock,
    mut on_progress: impl FnMut(&Evidence),
) -> Evidence {
    let mut log = Log::new(criteria, args, watch.is_some());
    if watch.is_none() && !allow_recording {
        log = log.refuse_recording(clock.now());
    }
    let stopwatch = Stopwatch::start(clock);
    let mut proven_at = None;
    let mut input = stdin().lock();
    let mut chunk = vec![0; 64 * 1024];
    let mut rest: Vec<u8> = Vec::new();
    let mut why = None;
    while !log.is_over() {
        let elapsed = stopwatch.elapsed(clock);
        if log.reads_on() {
            proven_at.get_or_insert(elapsed);
        }
        if let Some(limit) = watch.or(proven_at.map(|proven_at| proven_at + READ_ON)) {
            let remaining = limit.saturating_sub(elapsed);
            let timeout = PollTimeout::try_from(remaining).unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(input.as_fd(), PollFlags::POLLIN)], timeout) {
                _ if remaining.is_zero() => {
                    why = watch.and_then(|watch| log.silence(elapsed, watch));
                    break;
                }
                Ok(0) | Err(nix::errno::Errno::EINTR) => continue,
                _ => {}
            }
        }
        match input.read(&mut chunk) {
            Ok(0) => {
                why = watch.map(|watch| {
                    let elapsed = format_duration(stopwatch.elapsed(clock));
                    format!("the log ended after {elapsed} of {}", format_duration(watch))
                });
                break;
            }
            Ok(count) => {
                rest.extend_from_slice(&chunk[..count]);
                log.take_lines(&mut rest, clock.now(), stopwatch.elapsed(clock));
                on_progress(log.evidence());
                for text in log.take_notes() {
                    note(&text);
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                why = Some(format!("stdin cannot be read: {error}"));
                break;
            }
        }
    }
    let (evidence, notes) = log.finish(why);
    for text in notes {
        note(&text);
    }
    evidence
}
