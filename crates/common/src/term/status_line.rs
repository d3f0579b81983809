//! One live line at the foot of the terminal, below what the command writes: the terminal scrolls above it.
//!
//! It is done as apt(8) does it, by a scrolling region: the command keeps the terminal, and does not know.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::termios::tcgetwinsize;

/// Between two drawings.
const PERIOD: Duration = Duration::from_secs(1);

/// A terminal with fewer rows has none to spare.
const FEWEST_ROWS: u16 = 4;

/// The line; dropped, it goes.
#[derive(Debug)]
pub struct StatusLine {
    shown: Option<(Sender<()>, JoinHandle<()>)>,
}

impl StatusLine {
    /// Shows what `text` says, once a second; nothing where stderr is no terminal.
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
                say(&format!("\x1b7\x1b[r\x1b[{rows};1H\x1b[2K\x1b8"));
            }
        });
        // Without a thread there is no line, and no harm.
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

/// Draws the line; `region` is the number of rows for which the scrolling region was set.
fn draw(region: &mut Option<u16>, text: &str) {
    let Ok(size) = tcgetwinsize(io::stderr()) else { return };
    if size.ws_row < FEWEST_ROWS {
        return;
    }
    let mut told = String::new();
    if *region != Some(size.ws_row) {
        // A line feed, so that what stands on the last row is not drawn over. Setting the region moves the cursor.
        let _ = write!(told, "\n\x1b7\x1b[1;{}r\x1b8\x1b[1A", size.ws_row - 1);
        *region = Some(size.ws_row);
    }
    let fitting: String = text.chars().take(size.ws_col.into()).collect();
    let _ = write!(told, "\x1b7\x1b[{};1H\x1b[2K{fitting}\x1b8", size.ws_row);
    say(&told);
}

fn say(text: &str) {
    // In one write: the command writes to the same terminal.
    let _ = io::stderr().write_all(text.as_bytes());
}
