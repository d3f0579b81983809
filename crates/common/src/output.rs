//! Output to a reader that may go away: a closed pipe is not an error.

use std::io::{self, ErrorKind, Write};

/// Writes text in whole, flushed pieces. After the reader has gone away, it drops what is written.
#[derive(Debug)]
pub struct LineWriter<W> {
    out: W,
    is_closed: bool,
}

impl<W: Write> LineWriter<W> {
    /// A writer to `out`.
    pub fn new(out: W) -> Self {
        Self { out, is_closed: false }
    }

    /// Writes `text`, which ends with its own line feed, and flushes it.
    ///
    /// # Errors
    /// Every error of the output except a closed pipe.
    pub fn write(&mut self, text: &[u8]) -> io::Result<()> {
        if self.is_closed {
            return Ok(());
        }
        match self.out.write_all(text).and_then(|()| self.out.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.is_closed = true;
                Ok(())
            }
            result => result,
        }
    }

    /// Whether the reader has gone away.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }
}

/// Writes `text` to stdout.
///
/// # Errors
/// Every error of stdout except a closed pipe.
pub fn print(text: &str) -> io::Result<()> {
    LineWriter::new(io::stdout()).write(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_goes_away_is_not_an_error() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut writer = LineWriter::new(Closed);
        writer.write(b"line\n").unwrap();
        assert!(writer.is_closed());
    }
}
