//! The stdin of a command that is run again.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

mod support;

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::process::Stdio;
use std::thread;

use support::{dm_stage, journal, state_dir};

/// A command that fails in its first attempt, after it has read its stdin, and prints the length of its stdin in each.
const COUNT: &str = "wc -c; test -n \"$DM_ATTEMPT\"";

/// A command that always fails after its first line of stdin.
const FIRST_LINE: &str = "read -r line; echo \"$line\"; exit 3";

/// Runs `script` with these flags and this stdin. Returns the exit code, stdout and stderr.
fn run(flags: &[&str], stdin: Stdio, input: &[u8], script: &str) -> (Option<i32>, String, String) {
    let state = state_dir();
    let mut command = dm_stage(&state);
    command
        .args(["load", "--retries", "2", "--retry-delay", "0s"])
        .args(flags)
        .args(["--", "sh", "-c", script]);
    let mut child = command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pipe = child.stdin.take();
    let input = input.to_vec();
    // A command may end before it has read everything.
    let writer = thread::spawn(move || pipe.map(|mut pipe| pipe.write_all(&input)));
    let (mut stdout, mut stderr) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    let code = child.wait().unwrap().code();
    drop(writer.join());
    assert_eq!(journal(state.path()).len(), 1, "{stderr}");
    (code, stdout, stderr)
}

#[test]
fn a_command_that_may_have_read_a_pipe_is_not_run_again() {
    let (code, stdout, stderr) = run(&[], Stdio::piped(), b"12345\n", "wc -c; exit 3");
    assert_eq!((code, stdout.trim()), (Some(3), "6"), "{stderr}");
    assert!(stderr.contains("not run again, because it may have read its stdin"), "{stderr}");
    assert!(stderr.contains("--stdin replay"), "{stderr}");
}

#[test]
fn a_file_is_rewound_to_where_the_first_attempt_began() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"read before\n12345\n").unwrap();
    file.seek(SeekFrom::Start(12)).unwrap();
    let (code, stdout, stderr) = run(&[], file.into(), b"", COUNT);
    assert_eq!((code, stdout.as_str()), (Some(0), "6\n6\n"), "{stderr}");
}

#[test]
fn an_empty_stdin_is_the_same_for_each_attempt() {
    let null = || Stdio::from(File::open("/dev/null").unwrap());
    let (reader, writer) = std::io::pipe().unwrap();
    drop(writer);
    for stdin in [null(), reader.into()] {
        let (code, stdout, stderr) = run(&[], stdin, b"", COUNT);
        assert_eq!((code, stdout.as_str()), (Some(0), "0\n0\n"), "{stderr}");
    }
}

#[test]
fn a_pipe_is_replayed_on_request() {
    // More than a pipe holds, so that the copy has to be filled while the command reads.
    let input = vec![b'a'; 300_000];
    let (code, stdout, stderr) = run(&["--stdin", "replay"], Stdio::piped(), &input, COUNT);
    assert_eq!((code, stdout.as_str()), (Some(0), "300000\n300000\n"), "{stderr}");
    // Each attempt reads only a part of it.
    let (code, stdout, stderr) = run(&["--stdin", "replay"], Stdio::piped(), b"first\nsecond\n", FIRST_LINE);
    assert_eq!((code, stdout.as_str()), (Some(3), "first\nfirst\nfirst\n"), "{stderr}");
}

#[test]
fn a_stdin_that_the_copy_cannot_hold_passes_through_once() {
    let input = vec![b'a'; 20 << 20];
    let (code, stdout, stderr) = run(&["--stdin", "replay"], Stdio::piped(), &input, "wc -c; exit 3");
    assert_eq!((code, stdout.trim()), (Some(3), "20971520"), "{stderr}");
    assert!(stderr.contains("larger than the 16 MiB"), "{stderr}");
}
