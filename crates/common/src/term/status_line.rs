//! One live status line at the bottom of the terminal. The output of the command scrolls above it.
//!
//! Uses a scrolling region, as apt(8) does: the command keeps the terminal and does not notice.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::termios::tcgetwinsize;

/// The time between two updates.
const PERIOD: Duration = Duration::from_secs(1);

/// A terminal with fewer rows gets no status line.
const FEWEST_ROWS: u16 = 4;

/// The status line. It disappears when this value is dropped.
#[derive(Debug)]
pub struct StatusLine {
    shown: Option<(Sender<()>, JoinHandle<()>)>,
}

impl StatusLine {
    /// Shows `text`, updated once a second. Shows nothing if stderr is not a terminal.
    pub fn show(mut text: impl FnMut() -> String + Send + 'static) -> Self {
        if !io::stderr().is_terminal() {
            return Self { shown: None };
        }
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new().name("status".to_owned()).spawn(move || {
            let mut region = None;
            loop {
                draw(&mut region, &text());
                if stopped.recv_timeout(PERIOD) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
            }
            if let Some(rows) = region {
                write_to_terminal(&format!("\x1b7\x1b[r\x1b[{rows};1H\x1b[2K\x1b8"));
            }
        });
        // Without a thread there is no status line, which does no harm.
        Self { shown: thread.ok().map(|thread| (stop, thread)) }
    }
}

impl Drop for StatusLine {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.shown.take() {
            drop(stop);
            let _ = thread.join();
        }
    }
}

/// Draws the line. `region` is the number of rows for which the scrolling region is set.
fn draw(region: &mut Option<u16>, text: &str) {
    let Ok(size) = tcgetwinsize(io::stderr()) else { return };
    if size.ws_row < FEWEST_ROWS {
        return;
    }
    let mut output = String::new();
    if *region != Some(size.ws_row) {
        // The line feed keeps the text on the last row from being overwritten. Setting the region moves the cursor.
        let _ = write!(output, "\n\x1b7\x1b[1;{}r\x1b8\x1b[1A", size.ws_row - 1);
        *region = Some(size.ws_row);
    }
    let fitting: String = text.chars().take(size.ws_col.into()).collect();
    let _ = write!(output, "\x1b7\x1b[{};1H\x1b[2K{fitting}\x1b8", size.ws_row);
    write_to_terminal(&output);
}

fn write_to_terminal(text: &str) {
    // One write, because the command writes to the same terminal.
    let _ = io::stderr().write_all(text.as_bytes());
}
