//! Where reports come from: files, patterns of file names, and stdin.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use common::term::text;
use glob::Pattern;
use http_expect::excerpt;

use super::encoding::decode;
use super::report::ImportedReport;
use super::{junit, tap};

/// The most bytes of all reports together.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// The most reports.
const MAX_FILES: usize = 10_000;

/// The most bytes of a path in a message.
const MAX_PATH: usize = 300;

/// The reports to import.
#[derive(Debug, Clone)]
pub(crate) struct ReportSource {
    /// The format of the reports.
    pub(crate) format: Format,
    /// Files and patterns, as typed; `-` is stdin.
    pub(crate) paths: Vec<PathBuf>,
}

/// The supported formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// JUnit XML.
    Junit,
    /// TAP, versions 12 to 14.
    Tap,
}

/// Reads the reports as one. What cannot be read makes it incomplete.
pub(crate) fn read(source: &ReportSource) -> ImportedReport {
    let (files, mut problems) = expand(&source.paths);
    let is_alone = files.len() == 1;
    let mut tests = Vec::new();
    let mut room = MAX_BYTES;
    for file in files {
        let report = read_file(&file, source.format, &mut room);
        problems.extend(report.incomplete.map(|reason| describe(&file, &reason)));
        tests.extend(report.tests.into_iter().map(|mut test| {
            // TAP does not name the file that a test is in.
            if source.format == Format::Tap && !is_alone {
                test.name =
                    format!("{}: {}", file.file_stem().unwrap_or_default().to_string_lossy(), test.name);
            }
            test
        }));
    }
    let more = problems.len().saturating_sub(1);
    let incomplete = problems.into_iter().next().map(|problem| match more {
        0 => problem,
        1 => format!("{problem}; and one more report is incomplete"),
        more => format!("{problem}; and {more} more reports are incomplete"),
    });
    ImportedReport { tests, incomplete }
}

/// The files that are meant, each once, and a problem for each pattern without a file.
fn expand(paths: &[PathBuf]) -> (Vec<PathBuf>, Vec<String>) {
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        let pattern = path.to_str().filter(|text| is_pattern(text) && !path.exists());
        let Some(pattern) = pattern else {
            files.push(path.clone());
            continue;
        };
        let before = files.len();
        match glob::glob(pattern) {
            Ok(found) => files.extend(found.flatten().filter(|file| !file.is_dir()).take(MAX_FILES)),
            Err(error) => problems.push(describe(path, &error.to_string())),
        }
        if files.len() == before {
            problems.push(format!("no file matches {}", shown(path)));
        }
    }
    let mut seen = std::collections::HashSet::new();
    files.retain(|file| seen.insert(file.clone()));
    if files.len() > MAX_FILES {
        problems.push(format!("there are more than {MAX_FILES} reports"));
        files.truncate(MAX_FILES);
    }
    (files, problems)
}

/// Checks a file or a pattern, as typed.
///
/// # Errors
///
/// If it is a pattern with a fault.
pub(crate) fn parse_path(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if text.is_empty() {
        return Err("give a file, a pattern such as 'reports/TEST-*.xml', or - for stdin".to_owned());
    }
    match Pattern::new(text) {
        Err(error) if is_pattern(text) && !path.exists() => {
            Err(format!("not a pattern of file names: {error}"))
        }
        _ => Ok(path),
    }
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

fn read_file(file: &Path, format: Format, room: &mut u64) -> ImportedReport {
    let bytes = match read_bounded(file, *room) {
        Ok(bytes) => bytes,
        Err(error) => return ImportedReport::unreadable(format!("cannot read it: {error}")),
    };
    let Some(left) = room.checked_sub(bytes.len() as u64) else {
        let limit = MAX_BYTES >> 20;
        return ImportedReport::unreadable(format!("with it, the reports are larger than {limit} MiB"));
    };
    *room = left;
    let text = decode(&bytes);
    match format {
        Format::Junit => junit::parse(&text),
        Format::Tap => tap::parse(&text),
    }
}

fn read_bounded(file: &Path, room: u64) -> io::Result<Vec<u8>> {
    let input: Box<dyn Read> =
        if file == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(file)?) };
    let mut bytes = Vec::new();
    input.take(room + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A problem of a file. The reason can quote the report, so it is cut and escaped.
fn describe(file: &Path, reason: &str) -> String {
    format!("{}: {}", shown(file), excerpt::bounded(&excerpt::one_line(reason)))
}

fn shown(file: &Path) -> String {
    let name = if file == Path::new("-") { "stdin".into() } else { file.display().to_string() };
    text::short_line(&name, MAX_PATH)
}
