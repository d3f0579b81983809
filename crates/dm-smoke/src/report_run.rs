//! Reports a run on stdout, in report files and as annotations, and records it.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use common::cli::warn;
use common::clock::{Clock, Stopwatch, SystemClock};
use common::event::{Completion, Detail, EventId, TestResult};
use common::exit::Exit;
use common::label::Stage;
use common::records::Test;
use telemetry::{Recorder, WorkKind};

use crate::args::{ReportFile, TOOL};
use crate::plan::Output;
use crate::report::{Header, Report, annotation, write_file};
use crate::verdict::{RunEnd, Verdict};

/// Reports and records the run of `tests` tests that `run` carries out. `places` are the files and
/// the lines that name them.
pub(crate) fn report_run(
    output: &Output,
    places: &[(Arc<Path>, usize)],
    tests: usize,
    run: impl FnOnce(&mut Report<io::Stdout>) -> Result<Verdict>,
) -> Result<Exit> {
    let clock = SystemClock;
    let stopwatch = Stopwatch::start(&clock);
    let stage = Stage::smoke_test();
    let id = EventId::random();
    let start = output.context.stream_start(&id, stopwatch.started_at, None);
    let header = Header { start, suite: output.suite.to_string(), tests };
    let mut report = Report::begin(output.format, io::stdout(), &header)
        .context("cannot write to stdout")?
        .for_terminal(tests);
    let work = output.context.work_item(&stage, WorkKind::Smoke, stopwatch.started_at).with_id(&id);
    let recorder = Recorder::begin(&output.context.sinks, work, &clock);

    let mut verdict = run(&mut report).unwrap_or_else(|error| Verdict {
        tests: Vec::new(),
        end: RunEnd::from_error(&error),
        duration: None,
        flaky_fails: output.flaky_fails,
    });
    for ReportFile { format, path } in &output.reports {
        if let Err(error) = write_file(path, *format, &header, &verdict, clock.now()) {
            let error = anyhow!(error).context(format!("cannot write the report {}", path.display()));
            verdict.end = RunEnd::from_error(&error);
        }
    }
    if let Err(error) = report.end(&verdict, clock.now()) {
        verdict.end = RunEnd::from_error(&anyhow!(error).context("cannot write to stdout"));
    }
    if output.annotate {
        annotate(places, &verdict.tests);
    }
    if let RunEnd::Error(why) = &verdict.end {
        warn(TOOL.name, std::slice::from_ref(why));
    }
    let (status, reason) = verdict.status();
    let results = TestResult::ALL.iter().map(|&result| (result, verdict.count(result))).collect();
    // The time to read the reports of another runner says nothing.
    let duration = verdict.duration.unwrap_or_else(|| stopwatch.elapsed(&clock));
    let completion = Completion { id, ts: clock.now(), duration: Some(duration), status, reason };
    let detail = Detail::Smoke { suite: output.suite.clone(), results, failed: verdict.failed_tests() };
    let cause = verdict.cause();
    let event = output.context.event(&stage, completion, detail).because(cause.as_deref());
    Ok(output.context.conclude(verdict.exit(), &recorder.finish(&event, &clock)))
}

fn annotate(places: &[(Arc<Path>, usize)], tests: &[Test]) {
    let annotations = tests.iter().filter_map(|test| {
        let place = usize::try_from(test.seq).ok().and_then(|seq| places.get(seq.checked_sub(1)?));
        annotation::for_test(test, place.map(|(file, line)| (file.as_ref(), *line)))
    });
    // A failure to write to stderr has nowhere to be reported.
    let _ = io::stderr().write_all(annotations.collect::<String>().as_bytes());
}
