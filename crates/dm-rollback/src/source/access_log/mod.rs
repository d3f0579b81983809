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
mod outcome;
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

/// Reads stdin to its end, or for the duration `watch`, or until the evidence is decisive.
pub(crate) fn read(
    criteria: Criteria,
    args: &LogArgs,
    watch: Option<Duration>,
    clock: &dyn Clock,
    mut on_progress: impl FnMut(&Evidence),
) -> Evidence {
    let mut log = Log::new(criteria, args, watch.is_some());
    let stopwatch = Stopwatch::start(clock);
    let mut last_read = Duration::ZERO;
    let mut input = stdin().lock();
    let mut chunk = vec![0; 64 * 1024];
    let mut rest: Vec<u8> = Vec::new();
    let mut why = None;
    while !log.is_over() {
        if let Some(watch) = watch {
            let remaining = watch.saturating_sub(stopwatch.elapsed(clock));
            let timeout = PollTimeout::try_from(remaining).unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(input.as_fd(), PollFlags::POLLIN)], timeout) {
                Ok(0) if stopwatch.elapsed(clock) >= watch => {
                    let silence = stopwatch.elapsed(clock).saturating_sub(last_read);
                    let (shown, whole) = (format_duration(silence), format_duration(watch));
                    why = log
                        .went_silent(silence, watch)
                        .then(|| format!("the log had no new lines in the last {shown} of {whole}"));
                    break;
                }
                Ok(0) | Err(nix::errno::Errno::EINTR) => continue,
                _ if remaining.is_zero() => break,
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
                last_read = stopwatch.elapsed(clock);
                rest.extend_from_slice(&chunk[..count]);
                log.take_lines(&mut rest, clock.now(), last_read);
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
