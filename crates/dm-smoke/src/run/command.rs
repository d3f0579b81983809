//! A command test: runs the command, compares its exit code and output with the expectations, and kills it with all its
//! descendants if its time is up.

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::Duration;

use child_process::{Captured, Output, explain};
use common::duration;
use common::event::Reason;
use tokio::process::Command;
use tokio::time::sleep;

use crate::failure::{Failure, inserted_badly};
use crate::redact::SuiteRedactor;
use crate::suite::assertion::CommandObserved;
use crate::suite::model::CommandTest;
use crate::suite::template::Values;

/// The number of bytes that are kept of each output stream.
const MAX_OUTPUT_BYTES: usize = 1024 * 1024;

/// Runs the test. `None` if `stopped` became ready first.
pub(super) async fn run(
    test: &CommandTest,
    limit: Duration,
    redactor: &SuiteRedactor<'_>,
    env: &[(&'static str, String)],
    stopped: impl Future<Output = ()>,
) -> Option<Result<(), Failure>> {
    let program = test.program.render(redactor.values);
    let subject = redactor.redact(&program);
    let mut running = match Captured::start(&mut command(test, &program, env, redactor.values)) {
        Ok(running) => running,
        Err(error) => {
            let error = explain(OsStr::new(&subject), &error);
            return Some(Err(Failure::error(error.reason, error.message).with_subject(&subject)));
        }
    };
    let result = tokio::select! {
        output = running.output(MAX_OUTPUT_BYTES) => match output {
            Ok(output) => evaluate(test, output, redactor),
            Err(error) => {
                Err(Failure::error(Reason::Other, format!("cannot wait for the command: {error}")))
            }
        },
        () = sleep(limit) => {
            running.terminate().await;
            let limit = duration::format_duration(limit);
            Err(Failure::error(Reason::Timeout, format!("did not end within {limit}")))
        }
        () = stopped => {
            running.terminate().await;
            return None;
        }
    };
    Some(result.map_err(|failure| failure.with_subject(&subject)))
}

fn command(test: &CommandTest, program: &str, env: &[(&'static str, String)], values: &Values) -> Command {
    let mut command = Command::new(program);
    command
        .args(test.args.iter().map(|word| word.render(values)))
        .envs(env.iter().map(|(name, value)| (name, value)))
        .envs(test.env.iter().map(|(name, value)| (name, value.render(values))))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn evaluate(test: &CommandTest, output: Output, redactor: &SuiteRedactor<'_>) -> Result<(), Failure> {
    let Output { status, stdout, stderr } = output;
    let observed = CommandObserved {
        exit: status.code(),
        signal: status.signal(),
        truncated: [&stdout, &stderr].map(|bytes| bytes.len() >= MAX_OUTPUT_BYTES),
        stdout,
        stderr,
    };
    let expected =
        test.expected.with(redactor.values).map_err(|why| inserted_badly(&redactor.redact(&why)))?;
    let mismatches = expected.check(&observed, |text| redactor.redact(text));
    Failure::from_mismatches(&mismatches, redactor).map_or(Ok(()), Err)
}
