//! dm-stage at a terminal: for input, suspension, resizing and interrupts, it makes no difference.

use std::os::unix::process::ExitStatusExt;
use std::time::Instant;

use nix::sys::signal::Signal;
use testkit::bin::Machine;
use testkit::process::catches;
use testkit::server::eventually;
use testkit::terminal::{CTRL_C, CTRL_Z, Terminal};

/// Runs a test twice: without dm-stage, and with it and these flags in front of each command.
fn twice(flags: &str, test: impl Fn(&Machine, &str)) {
    test(&Machine::new(), "");
    test(&Machine::new(), &format!("dm-stage build {flags} -- "));
}

/// Writes a script to the machine's folder.
fn script(machine: &Machine, name: &str, text: &str) {
    common::fs::atomic::write(&machine.folder().join(name), text.as_bytes()).unwrap();
}

/// An interactive shell, with job control.
fn interactive(machine: &Machine) -> Terminal {
    let mut terminal = Terminal::start(&machine.shell("PS1='$ ' exec bash --norc --noprofile -i"));
    terminal.wait_for("$ ");
    terminal
}

#[test]
fn all_three_streams_are_the_terminal_and_of_its_size() {
    twice("", |machine, wrapped| {
        let script = format!("{wrapped}sh -c 'test -t 0 && test -t 1 && test -t 2 && stty size'");
        let (output, status) = Terminal::start(&machine.shell(&script)).end();
        assert_eq!(output, "24 80\r\n");
        assert!(status.success());
    });
}

#[test]
fn typed_text_reaches_the_command_with_a_time_limit_too() {
    for flags in ["", "--timeout 1m"] {
        twice(flags, |machine, wrapped| {
            let mut terminal =
                Terminal::start(&machine.shell(&format!("{wrapped}sh -c 'read name; echo hello $name'")));
            terminal.type_in("ada\n");
            terminal.wait_for("hello ada");
            assert!(terminal.end().1.success());
        });
    }
}

#[test]
fn after_ctrl_c_a_script_stops_if_it_killed_the_command() {
    twice("", |machine, wrapped| {
        let script = format!("{wrapped}perl -e '$|=1; print \"ready\\n\"; sleep 100'; echo went on");
        let mut terminal = Terminal::start(&machine.shell(&script));
        terminal.wait_for("ready");
        terminal.type_in(CTRL_C);
        let (output, status) = terminal.end();
        assert!(!output.contains("went on"), "{output:?}");
        assert_eq!(status.signal(), Some(2), "{output:?}");
    });
}

#[test]
fn after_ctrl_c_a_script_continues_if_the_command_handled_it() {
    twice("", |machine, wrapped| {
        script(
            machine,
            "editor",
            "trap 'times=$((times+1))' INT\necho ready\nread line\necho $times $line\n",
        );
        let mut terminal = Terminal::start(&machine.shell(&format!("{wrapped}bash editor; echo went on $?")));
        terminal.wait_for("ready");
        // Before it waits for its command, an interrupt would end the shell, whatever the command does.
        eventually("the shell waits", || {
            if catches(terminal.pid(), Signal::SIGINT) {
                Ok(())
            } else {
                Err("it does not wait yet".to_owned())
            }
        });
        terminal.type_in(CTRL_C);
        terminal.wait_for("^C");
        terminal.type_in("typed\n");
        let (output, _) = terminal.end();
        // Once: from the terminal, and not from the wrapper again.
        assert!(output.contains("1 typed\r\nwent on 0"), "{output:?}");
    });
}

/// Waits until the process with the id in the file `pid` is stopped. The shell gets the terminal back as soon as dm-stage
/// is stopped; a command that has not run since Ctrl-Z would still read what is typed next.
fn wait_until_stopped(machine: &Machine) {
    let pid = std::fs::read_to_string(machine.folder().join("pid")).unwrap();
    let file = format!("/proc/{}/stat", pid.trim());
    eventually("the command is stopped", || {
        let stat = std::fs::read_to_string(&file).unwrap();
        if stat.contains(") T ") { Ok(()) } else { Err(stat) }
    });
}

#[test]
fn ctrl_z_suspends_the_job_and_no_clock_runs_until_it_continues() {
    for flags in ["", "--timeout 5s"] {
        twice(flags, |machine, wrapped| {
            let mut terminal = interactive(machine);
            let started = Instant::now();
            terminal.type_in(&format!(
                "{wrapped}sh -c 'echo $$ > pid; echo re''ady; read line; echo got $line'\n"
            ));
            terminal.wait_for("ready");
            terminal.type_in(CTRL_Z);
            terminal.wait_for("Stopped");
            terminal.wait_for("$ ");
            wait_until_stopped(machine);
            // Longer than the limit.
            terminal.type_in("sleep 6; fg\n");
            terminal.wait_for("read line");
            terminal.type_in("typed\n");
            terminal.wait_for("got typed");
            terminal.wait_for("$ ");
            terminal.type_in("echo status=$?; exit\n");
            terminal.wait_for("status=0");
            terminal.end();
            let whole = started.elapsed();
            if !wrapped.is_empty() {
                let event = &machine.journal()[0];
                assert_eq!(event["status"], "success");
                let running = whole.as_secs_f64() - 6.0;
                assert!(event["duration_s"].as_f64().unwrap() < running, "{event}, not {running}");
            }
        });
    }
}

#[test]
fn a_command_that_suspends_itself_gives_the_shell_back() {
    twice("", |machine, wrapped| {
        let mut terminal = interactive(machine);
        terminal.type_in(&format!("{wrapped}sh -c 'kill -STOP $$; echo went'' on'\n"));
        terminal.wait_for("Stopped");
        terminal.wait_for("$ ");
        terminal.type_in("fg\n");
        terminal.wait_for("went on");
        terminal.wait_for("$ ");
        terminal.type_in("exit\n");
        terminal.end();
    });
}

#[test]
fn a_new_window_size_reaches_the_command_once() {
    twice("", |machine, wrapped| {
        script(
            machine,
            "screen",
            "$SIG{WINCH} = sub { print `stty size` };\n$| = 1;\nprint qq(ready\\n);\n<STDIN>\n",
        );
        let mut terminal = Terminal::start(&machine.shell(&format!("{wrapped}perl screen")));
        terminal.wait_for("ready");
        terminal.resize(40, 132);
        terminal.wait_for("40 132");
        terminal.type_in("\n");
        let (output, _) = terminal.end();
        assert!(!output.contains("40 132"), "{output:?}");
    });
}

#[test]
fn a_hang_up_ends_the_command() {
    twice("", |machine, wrapped| {
        script(
            machine,
            "service",
            "trap 'echo hung up > trapped' HUP\nsleep 30 &\necho ready\nwait\nkill $!\n",
        );
        let mut terminal = Terminal::start(&machine.shell(&format!("exec {wrapped}bash service")));
        terminal.wait_for("ready");
        terminal.hang_up();
        let trapped = machine.folder().join("trapped");
        eventually("the command's trap", || trapped.exists().then_some(()).ok_or_else(|| "none".to_owned()));
    });
}

#[test]
fn a_status_line_is_below_the_output_and_disappears_with_the_command() {
    let machine = Machine::new();
    let mut terminal =
        Terminal::start(&machine.shell("dm-stage build --status -- sh -c 'echo out; read line'"));
    terminal.wait_for("\x1b[1;23r");
    terminal.wait_for("\x1b[24;1H\x1b[2Kbuild 0ms");
    terminal.wait_for("build 1.0s");
    terminal.resize(30, 80);
    terminal.wait_for("\x1b[1;29r");
    terminal.wait_for("\x1b[30;1H");
    terminal.type_in("\n");
    let (output, _) = terminal.end();
    assert!(output.ends_with("\x1b7\x1b[r\x1b[30;1H\x1b[2K\x1b8"), "{output:?}");

    let mut terminal = Terminal::start(&machine.shell("dm-stage build --status -- sh -c 'read line'"));
    terminal.wait_for("last time");
    terminal.type_in("\n");
    terminal.end();

    let (output, _) =
        Terminal::start(&machine.shell("dm-stage build --status -- echo out 2>file; cat file")).end();
    assert_eq!(output, "out\r\n");
}
