//! An append-only file of JSON, a line a record: what was written whole is never lost to a writer that was killed.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::Serialize;

/// Appends one record to the file at `path`, which need not exist yet; its folder has to. The cost does not depend on
/// how many there are. One writer at a time is the caller's matter. The file is given back for who wants it synced.
pub fn append(path: &Path, record: &impl Serialize) -> io::Result<File> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
    if is_torn(&mut file)? {
        // A writer was killed in the middle of a line: close it, so that this one stays whole.
        line.insert(0, b'\n');
    }
    file.write_all(&line)?;
    Ok(file)
}

/// Every record that `parse` knows, oldest first; none where there is no file.
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
