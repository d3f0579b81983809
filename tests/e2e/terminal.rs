//! dm-stage at a terminal: typed at, suspended, resized and interrupted, it is not there.

use std::os::unix::process::ExitStatusExt;

use testkit::bin::Machine;
use testkit::server::eventually;
use testkit::terminal::{CTRL_C, CTRL_Z, Terminal};

/// The same story twice: without dm-stage, and with it and these of its flags, before each command.
fn twice(flags: &str, story: impl Fn(&Machine, &str)) {
    story(&Machine::new(), "");
    story(&Machine::new(), &format!("dm-stage build {flags} -- "));
}

/// Puts `script` where a command can be made of it.
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
        let (seen, status) = Terminal::start(&machine.shell(&script)).end();
        assert_eq!(seen, "24 80\r\n");
        assert!(status.success());
    });
}

#[test]
fn what_is_typed_reaches_the_command_with_a_time_limit_too() {
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
fn after_ctrl_c_a_script_stops_where_the_command_died_of_it() {
    twice("", |machine, wrapped| {
        let script = format!("{wrapped}perl -e '$|=1; print \"ready\\n\"; sleep 100'; echo went on");
        let mut terminal = Terminal::start(&machine.shell(&script));
        terminal.wait_for("ready");
        terminal.type_in(CTRL_C);
        let (seen, status) = terminal.end();
        assert!(!seen.contains("went on"), "{seen:?}");
        assert_eq!(status.signal(), Some(2), "{seen:?}");
    });
}

#[test]
fn after_ctrl_c_a_script_goes_on_where_the_command_took_it_for_a_key() {
    twice("", |machine, wrapped| {
        script(
            machine,
            "editor",
            "trap 'times=$((times+1))' INT\necho ready\nread line\necho $times $line\n",
        );
        let mut terminal = Terminal::start(&machine.shell(&format!("{wrapped}bash editor; echo went on $?")));
        terminal.wait_for("ready");
        terminal.type_in(CTRL_C);
        terminal.wait_for("^C");
        terminal.type_in("typed\n");
        let (seen, _) = terminal.end();
        // Once: not from the terminal, and from a wrapper again.
        assert!(seen.contains("1 typed\r\nwent on 0"), "{seen:?}");
    });
}

#[test]
fn ctrl_z_suspends_the_job_and_no_clock_runs_until_it_goes_on() {
    for flags in ["", "--timeout 2s"] {
        twice(flags, |machine, wrapped| {
            let mut terminal = interactive(machine);
            terminal.type_in(&format!("{wrapped}sh -c 'echo re''ady; read line; echo got $line'\n"));
            terminal.wait_for("ready");
            terminal.type_in(CTRL_Z);
            terminal.wait_for("Stopped");
            terminal.wait_for("$ ");
            // Longer than the limit, if the clock ran.
            terminal.type_in("sleep 3; fg\n");
            terminal.wait_for("read line");
            terminal.type_in("typed\n");
            terminal.wait_for("got typed");
            terminal.wait_for("$ ");
            terminal.type_in("echo status=$?; exit\n");
            terminal.wait_for("status=0");
            terminal.end();
            if !wrapped.is_empty() {
                let event = &machine.journal()[0];
                assert_eq!(event["status"], "success");
                assert!(event["duration_s"].as_f64().unwrap() < 2.0, "{event}");
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
        let (seen, _) = terminal.end();
        assert!(!seen.contains("40 132"), "{seen:?}");
    });
}

#[test]
fn a_hang_up_ends_the_command() {
    twice("", |machine, wrapped| {
        script(machine, "service", "trap 'echo hung up > told' HUP\nsleep 30 &\necho ready\nwait\nkill $!\n");
        let mut terminal = Terminal::start(&machine.shell(&format!("exec {wrapped}bash service")));
        terminal.wait_for("ready");
        terminal.hang_up();
        let told = machine.folder().join("told");
        eventually("a hang-up that is told of", || {
            told.exists().then_some(()).ok_or_else(|| "none".to_owned())
        });
    });
}

#[test]
fn a_live_line_stands_below_what_the_command_writes_and_goes_with_it() {
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
    let (seen, _) = terminal.end();
    assert!(seen.ends_with("\x1b7\x1b[r\x1b[30;1H\x1b[2K\x1b8"), "{seen:?}");

    let mut terminal = Terminal::start(&machine.shell("dm-stage build --status -- sh -c 'read line'"));
    terminal.wait_for("last time");
    terminal.type_in("\n");
    terminal.end();

    let (seen, _) =
        Terminal::start(&machine.shell("dm-stage build --status -- echo out 2>file; cat file")).end();
    assert_eq!(seen, "out\r\n");
}
