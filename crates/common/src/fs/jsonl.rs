//! An append-only file of JSON Lines. A writer that is killed never damages a record that was complete.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::Serialize;

/// Appends one record to the file at `path`, and creates the file if necessary; its folder has to exist. The cost does
/// not depend on the length of the file. The caller ensures that there is one writer at a time. Returns the file, so
/// that the caller can sync it.
///
/// # Errors
/// The file cannot be opened or written, or the record cannot be serialised.
pub fn append(path: &Path, record: &impl Serialize) -> io::Result<File> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
    if is_torn(&mut file)? {
        // A writer was killed in the middle of a line. End that line, so that the new one stays complete.
        line.insert(0, b'\n');
    }
    file.write_all(&line)?;
    Ok(file)
}

/// All records that `parse` accepts, oldest first. Empty if there is no file.
///
/// # Errors
/// The file exists but cannot be read.
pub fn read<T>(path: &Path, parse: impl Fn(&[u8]) -> Option<T>) -> io::Result<Vec<T>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut records = Vec::new();
    for line in BufReader::new(file).split(b'\n') {
        records.extend(parse(&line?));
    }
    Ok(records)
}

fn is_torn(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}
