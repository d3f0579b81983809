//! The size of files.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A longer file has more than one subject.
const MAX_LINES: usize = 400;

#[test]
fn no_source_file_is_longer_than_400_lines() {
    let long: Vec<String> = tracked(&["*.rs", "*.sh"])
        .into_iter()
        .filter_map(|path| {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            (lines > MAX_LINES).then(|| format!("{} has {lines} lines", path.display()))
        })
        .collect();
    assert!(long.is_empty(), "split these files by subject: {long:#?}");
}

#[test]
fn the_main_of_a_tool_is_three_lines() {
    for path in tracked(&["crates/dm-*/src/main.rs"]) {
        let text = fs::read_to_string(&path).unwrap();
        let body = text.lines().skip_while(|line| !line.starts_with("fn main"));
        assert_eq!(body.count(), 3, "{}", path.display());
    }
}

/// The files of the repository that match the patterns and exist.
fn tracked(patterns: &[&str]) -> Vec<PathBuf> {
    let root = crate::crates::repository();
    let mut git = Command::new("git");
    git.arg("-C").arg(&root).args(["ls-files", "-z", "--"]).args(patterns).stdout(Stdio::piped());
    let output = git.spawn().unwrap().wait_with_output().unwrap();
    let names = String::from_utf8(output.stdout).unwrap();
    let paths: Vec<PathBuf> =
        names.split_terminator('\0').map(|name| root.join(name)).filter(|path| path.exists()).collect();
    assert!(!paths.is_empty(), "git lists no file for {patterns:?}");
    paths
}
