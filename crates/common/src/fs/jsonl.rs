//! An append-only file of JSON Lines. A writer that is killed never damages a record that was complete.

use std::fs::File;
use std::io::{self, Error, ErrorKind, Read, Seek, SeekFrom, Write};

use serde::Serialize;

use super::bounded::MAX_LINE_BYTES;
use super::private_dir::PrivateDir;

/// Appends one record to the file `name` in `folder`, and creates the file if necessary. The cost does not depend on the
/// length of the file. The caller ensures that there is one writer at a time. Returns the file, so that the caller can
/// sync it.
///
/// # Errors
/// The file cannot be opened or written, or the record cannot be serialised or is too long for a reader.
pub fn append(folder: &PrivateDir, name: &str, record: &impl Serialize) -> io::Result<File> {
    let mut line = serde_json::to_vec(record)?;
    if line.len() > MAX_LINE_BYTES {
        let message = format!("a record of {} bytes is too long: at most {MAX_LINE_BYTES}", line.len());
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    line.push(b'\n');
    let mut file = folder.open_to_append(name)?;
    if is_torn(&mut file)? {
        // A writer was killed in the middle of a line. End that line, so that the new one stays complete.
        line.insert(0, b'\n');
    }
    file.write_all(&line)?;
    Ok(file)
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
