//! A command does the same with dm-stage in front of it and without, and a script sees no difference.

use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};

use testkit::bin::Machine;
use testkit::trial;

/// A command, and how it is started. Each is run alone, and wrapped by dm-stage.
struct Case {
    name: &'static str,
    program: &'static str,
    args: Vec<std::ffi::OsString>,
    stdin: &'static [u8],
    /// Shell code of the caller, in which `"$@"` is the command.
    caller: &'static str,
}

fn case(name: &'static str, program: &'static str, args: &[&str]) -> Case {
    Case { name, program, args: args.iter().map(Into::into).collect(), stdin: b"", caller: "exec \"$@\"" }
}

fn sh(name: &'static str, script: &str) -> Case {
    case(name, "sh", &["-c", script])
}

impl Case {
    fn stdin(mut self, stdin: &'static [u8]) -> Self {
        self.stdin = stdin;
        self
    }

    fn caller(mut self, caller: &'static str) -> Self {
        self.caller = caller;
        self
    }
}

/// Streams: every byte that is written arrives, and so does every byte that is read.
fn streams() -> Vec<Case> {
    vec![
        case("nothing is written", "true", &[]),
        sh("stdout", "echo out"),
        sh("stderr", "echo err >&2"),
        sh("both", "echo out; echo err >&2"),
        sh("no newline at the end", "printf out; printf err >&2"),
        sh("every byte", "printf '\\000\\001\\177\\200\\377'"),
        sh("a megabyte", "head -c 1048576 /dev/zero | tr '\\0' x"),
        sh("a megabyte on stderr", "head -c 1048576 /dev/zero | tr '\\0' x >&2"),
        case("stdin is copied", "cat", &[]).stdin(b"one\ntwo\n"),
        case("stdin is binary", "od", &["-An", "-c"]).stdin(b"\x00\xff\n\x1b"),
        case("stdin is empty", "wc", &["-c"]),
        sh("one line of stdin is read and the next left", "read a; echo $a; cat").stdin(b"1\n2\n3\n"),
        sh("stdin is not read at all", "echo done").stdin(b"unread\n"),
        sh("stdin is closed", "cat; echo $?").caller("exec \"$@\" <&-"),
        sh("stdout is closed", "echo out; echo $? >&2").caller("exec \"$@\" >&-"),
        sh("stderr is closed", "echo err >&2; echo $?").caller("exec \"$@\" 2>&-"),
        sh("stdout and stderr are one", "echo a; echo b >&2; echo c").caller("exec \"$@\" 2>&1"),
        sh("stdout is a full device", "echo out; echo $? >&2").caller("exec \"$@\" >/dev/full"),
        sh("a reader that goes away", "yes; echo $? >&2").caller("\"$@\" | head -n 1"),
        sh("the pipe's status", "yes").caller("set -o pipefail; \"$@\" | head -n 1; echo ${PIPESTATUS[*]}"),
        sh("no stream is a terminal", "test -t 0 || test -t 1 || test -t 2; echo $?"),
        sh("a descriptor of the caller", "echo three >&3").caller("exec \"$@\" 3>&1"),
        sh("no descriptor of the wrapper", "ls /proc/self/fd").caller("exec \"$@\" 3>&- 4>&-"),
        sh("a file as stdout is appended to", "echo b").caller("echo a > f; \"$@\" >> f; cat f; rm f"),
        sh("the offset of a file is shared", "head -c 1")
            .caller("printf abc > f; { \"$@\"; cat; } < f; rm f"),
    ]
}

/// Exit codes and signals, and how a shell reports them.
fn exits() -> Vec<Case> {
    let mut cases = vec![
        sh("code 1", "exit 1"),
        sh("code 2", "exit 2"),
        sh("code 75", "exit 75"),
        sh("code 124, which a time limit has too", "exit 124"),
        sh("code 125", "exit 125"),
        sh("code 126", "exit 126"),
        sh("code 127", "exit 127"),
        sh("code 128", "exit 128"),
        sh("code 137, which a shell gives a kill", "exit 137"),
        sh("code 255", "exit 255"),
        sh("code 256 is 0", "exit 256"),
        sh("a script goes on after a failure", "exit 3").caller("\"$@\"; echo then $?"),
        sh("set -e ends a script", "exit 3").caller("set -e; \"$@\"; echo never"),
        sh("what a shell says of a signal", "kill -TERM $$").caller("\"$@\" 2>/dev/null; echo $?"),
        sh("and || see it", "exit 1").caller("\"$@\" || echo or"),
        sh("and && see it", "exit 0").caller("\"$@\" && echo and"),
        sh("in the background", "exit 4").caller("\"$@\" & wait $!; echo $?"),
        sh("in a substitution", "echo captured").caller("x=$(\"$@\"); echo \"<$x>\""),
        sh("an exit trap runs", "trap 'echo bye' EXIT; exit 5"),
        sh("a handled TERM", "trap 'echo caught; exit 9' TERM; kill -TERM $$"),
    ];
    for signal in ["HUP", "INT", "QUIT", "ILL", "ABRT", "FPE", "KILL", "SEGV", "PIPE", "ALRM", "TERM", "USR1"]
    {
        let caller = "ulimit -c 0; exec \"$@\"";
        cases.push(Case { name: signal, ..sh("", &format!("kill -{signal} $$")).caller(caller) });
    }
    cases
}

/// What a process gets from its parent: arguments, environment, and everything else.
fn inheritance() -> Vec<Case> {
    let mut raw = case("an argument that is no UTF-8", "printf", &["%s|"]);
    raw.args.push(std::ffi::OsString::from_vec(vec![b'a', 0xff, b'b']));
    vec![
        raw,
        case("arguments with spaces", "printf", &["%s|", "a b", " ", "c"]),
        case("an empty argument", "printf", &["%s|", "", ""]),
        case("a newline in an argument", "printf", &["%s|", "a\nb"]),
        case("what a shell would take apart", "printf", &["%s|", "$HOME `id` \"q\" 'q' \\ * ~ ; | & > <"]),
        case("what looks like a flag of ours", "printf", &["%s|", "--timeout", "--", "--help", "-h"]),
        case("a path with a slash", "/bin/echo", &["hi"]),
        sh("the name it was called by", "echo $0").caller("exec \"$@\""),
        sh("the working directory", "pwd").caller("cd /usr/lib; exec \"$@\""),
        sh("a variable", "echo $A_NAME").caller("A_NAME='a value' exec \"$@\""),
        sh("the rest of the environment", "env | grep -vE '^(DM_|TRACEPARENT=|_=)' | sort"),
        sh("the umask", "umask").caller("umask 027; exec \"$@\""),
        sh("a limit of files", "ulimit -n").caller("ulimit -n 123; exec \"$@\""),
        sh("a limit of cores", "ulimit -c").caller("ulimit -c 7; exec \"$@\""),
        sh("niceness", "nice").caller("exec nice -n 5 \"$@\""),
        sh("an ignored signal", "kill -HUP $$; echo alive").caller("trap '' HUP; exec \"$@\""),
        sh("an ignored interrupt", "kill -INT $$; echo alive").caller("trap '' INT; exec \"$@\""),
        sh("an ignored broken pipe", "kill -PIPE $$; echo alive").caller("trap '' PIPE; exec \"$@\""),
        sh("the signals", "grep -E '^Sig(Blk|Ign):' /proc/self/status"),
        sh("who it runs as", "id -u; id -g; id -G"),
        sh("the session", "cut -d ' ' -f 6 /proc/$$/stat").caller("exec setsid --wait \"$@\" | wc -l"),
        sh("a child that it leaves behind", "(exec >/dev/null 2>&1; sleep 0.1) & echo done"),
        sh("a child that it waits for", "sh -c 'exit 6' & wait $!; echo $?"),
        sh("the oom score", "cat /proc/self/oom_score_adj"),
    ]
}

fn run(machine: &Machine, case: &Case, wrapper: &[&str]) -> Output {
    let mut command = machine.shell(case.caller);
    command.arg("caller").args(wrapper).arg(case.program).args(&case.args);
    run_command(command, case.stdin)
}

fn run_command(mut command: Command, stdin: &[u8]) -> Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that does not read its stdin may have ended.
    let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), stdin);
    child.wait_with_output().unwrap()
}

#[test]
fn a_command_is_the_same_with_and_without_a_stage_around_it() {
    let machine = Machine::new();
    let cases: Vec<Case> = [streams(), exits(), inheritance()].into_iter().flatten().collect();
    assert!(cases.len() >= 60, "{} cases", cases.len());
    for case in &cases {
        let alone = run(&machine, case, &[]);
        for wrapper in [&["dm-stage", "build", "--"][..], &["dm-stage", "build", "--timeout", "1m", "--"]] {
            let wrapped = run(&machine, case, wrapper);
            assert_eq!(describe(&wrapped), describe(&alone), "{} wrapped by {wrapper:?}", case.name);
        }
    }
}

fn describe(output: &Output) -> (Option<i32>, Option<i32>, String, String) {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    (output.status.code(), output.status.signal(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_hundred_megabytes_stream_through_it_in_little_memory() {
    let machine = Machine::new();
    let script = "head -c 104857600 /dev/zero | dm-stage copy -- cat | sha256sum";
    let bare = run_command(machine.shell("head -c 104857600 /dev/zero | sha256sum"), b"");
    assert_eq!(describe(&run_command(machine.shell(script), b"")), describe(&bare));
    assert!(machine.journal()[0]["max_rss_bytes"].as_f64().unwrap() < 16e6);
}

#[test]
fn a_clone_shows_its_progress() {
    let machine = Machine::new();
    let prepare =
        "git init -q --initial-branch main source && cd source && for i in 1 2 3; do echo $i > $i; done &&
        git add . && git -c user.name=a -c user.email=a@b commit -qm first";
    assert!(run_command(machine.shell(prepare), b"").status.success());
    let clone = |wrapper: &str| {
        let script = format!("rm -rf copy; {wrapper} git clone --progress --no-local source copy; ls copy");
        describe(&run_command(machine.shell(&script), b""))
    };
    // How often git reports each phase depends on time.
    let phases = [
        "Cloning into",
        "Counting objects: 100% (5/5)",
        "Compressing objects: 100%",
        "Receiving objects: 100% (5/5)",
    ];
    for wrapper in ["", "dm-stage fetch --"] {
        let (code, signal, out, err) = clone(wrapper);
        assert_eq!((code, signal, out.as_str()), (Some(0), None, "1\\n2\\n3\\n"));
        assert!(phases.iter().all(|phase| err.contains(phase)) && err.contains("\\r"), "{wrapper}: {err}");
    }
}

#[test]
fn many_runs_leave_nothing_but_the_journal() {
    let machine = Machine::new();
    let temporary = machine.folder().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let runs = trial::rounds(1000);
    let script =
        format!("for i in $(seq {runs}); do dm-stage build -- true || exit; done; ls /proc/self/fd | wc -l");
    let mut command = machine.shell(&script);
    command.env("TMPDIR", &temporary);
    let alone = run_command(machine.shell("ls /proc/self/fd | wc -l"), b"");
    assert_eq!(describe(&run_command(command, b"")), describe(&alone));
    assert_eq!(temporary.read_dir().unwrap().count(), 0);
    let mut files: Vec<_> =
        machine.folder().join("state").read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.retain(|name| !name.to_string_lossy().starts_with("journal"));
    assert_eq!(files, ["running"]);
    assert_eq!(machine.folder().join("state/running").read_dir().unwrap().count(), 0);
    assert_eq!(machine.journal().len(), usize::try_from(runs).unwrap());
}
