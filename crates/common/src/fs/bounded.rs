//! Reading up to a limit: whatever a file or a pipe contains, it costs a limited amount of memory and time.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Error, ErrorKind, Read, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// The longest line of a file of records. The longest records are those with the end of a command's stderr.
pub const MAX_LINE_BYTES: usize = 4 * 1024 * 1024;

/// The largest file that a person writes, such as a secret or a certificate.
pub const MAX_SMALL_BYTES: u64 = 1024 * 1024;

/// A line of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// The line without its line feed.
    Whole(&'a [u8]),
    /// A line of more than [`MAX_LINE_BYTES`], which is skipped.
    TooLong,
}

/// Reads a whole text, from a file or a pipe.
///
/// # Errors
/// It cannot be read, has more than `max` bytes, or is not UTF-8.
pub fn read_text(path: &Path, max: u64) -> io::Result<String> {
    as_text(read(path, max)?)
}

/// Reads all bytes of a file or a pipe.
///
/// # Errors
/// It cannot be read, or has more than `max` bytes.
pub fn read(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    read_to_end(File::open(path)?, path, max)
}

/// Reads a whole text from a regular file. A pipe could make the reader wait for ever.
///
/// # Errors
/// Those of [`read_text`], or it is not a regular file.
pub fn read_regular_text(path: &Path, max: u64) -> io::Result<String> {
    as_text(read_regular(path, max)?)
}

/// Reads all bytes of a regular file.
///
/// # Errors
/// Those of [`read`], or it is not a regular file.
pub fn read_regular(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(not_a_file(path));
    }
    read_to_end(file, path, max)
}

fn as_text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| Error::new(ErrorKind::InvalidData, "it is not UTF-8 text"))
}

/// Calls `each` with every line of the last `max` bytes of `file`, oldest first. Returns how many bytes it left out at the
/// beginning; the line in which they end is left out too.
///
/// # Errors
/// The file cannot be read.
pub fn last_lines(mut file: File, max: u64, mut each: impl FnMut(Line<'_>)) -> io::Result<u64> {
    let omitted = file.metadata()?.len().saturating_sub(max);
    // One byte earlier: if that is a line feed, the next line is whole.
    file.seek(SeekFrom::Start(omitted.saturating_sub(1)))?;
    let mut reader = BufReader::new(file).take(max.saturating_add(1));
    if omitted > 0 {
        reader.skip_until(b'\n')?;
    }
    let mut line = Vec::new();
    loop {
        line.clear();
        let longest = u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX);
        if reader.by_ref().take(longest + 1).read_until(b'\n', &mut line)? == 0 {
            return Ok(omitted);
        }
        let is_ended = line.pop_if(|last| *last == b'\n').is_some();
        if line.len() > MAX_LINE_BYTES {
            if !is_ended {
                reader.skip_until(b'\n')?;
            }
            each(Line::TooLong);
        } else {
            each(Line::Whole(&line));
        }
    }
}

pub(super) fn read_to_end(input: impl Read, path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > max) {
        let message = format!("{} has more than {max} bytes", path.display());
        return Err(Error::new(ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

pub(super) fn not_a_file(path: &Path) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("{} is not a regular file: remove it", path.display()))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn lines(text: &[u8], max: u64) -> (Vec<String>, u64) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        let mut lines = Vec::new();
        let omitted = last_lines(file, max, |line| {
            lines.push(match line {
                Line::Whole(line) => String::from_utf8_lossy(line).into_owned(),
                Line::TooLong => "too long".to_owned(),
            });
        });
        (lines, omitted.unwrap())
    }

    #[test]
    fn the_end_of_a_file_is_read_in_whole_lines() {
        let text = b"one\n\nthree\nfour";
        assert_eq!(lines(text, 99), (["one", "", "three", "four"].map(str::to_owned).to_vec(), 0));
        assert_eq!(lines(text, 10), (["three", "four"].map(str::to_owned).to_vec(), 5));
        assert_eq!(lines(text, 9), (vec!["four".to_owned()], 6));
        assert_eq!(lines(b"", 9), (vec![], 0));
    }

    #[test]
    fn a_line_that_is_too_long_costs_only_that_line() {
        let long = vec![0; MAX_LINE_BYTES + 1];
        let text = [b"one\n", &long[..], b"\n", &long[1..], b"\ntwo\n", &long].concat();
        let (found, _) = lines(&text, 1 << 40);
        let found: Vec<&str> =
            found.iter().map(|line| if line.starts_with('\0') { "long" } else { line }).collect();
        assert_eq!(found, ["one", "too long", "long", "two", "too long"]);
    }

    #[test]
    fn a_device_without_an_end_is_too_large() {
        let error = read_text(Path::new("/dev/zero"), 10).unwrap_err().to_string();
        assert!(error.contains("/dev/zero has more than 10 bytes"), "{error}");
        assert!(
            read_regular_text(Path::new("/dev/zero"), 10).unwrap_err().to_string().contains("not a regular")
        );
    }
}
