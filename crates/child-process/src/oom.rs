//! Detects out-of-memory kills: the exit status of a killed process does not show them, the control group does.

use std::fs;
use std::path::{Path, PathBuf};

/// The kernel's count of out-of-memory kills in the control group of this process.
#[derive(Debug)]
pub struct OomKills {
    /// The file with the count, and the count at the start; `None` if it cannot be read.
    baseline: Option<(PathBuf, u64)>,
}

impl OomKills {
    /// Reads the count at the start.
    pub fn watch() -> Self {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let baseline = files(&groups, Path::new("/sys/fs/cgroup")).into_iter().find_map(|file| {
            let count = count(&file)?;
            Some((file, count))
        });
        Self { baseline }
    }

    /// Whether the count has grown since the start.
    pub fn happened(&self) -> bool {
        self.baseline.as_ref().is_some_and(|(file, before)| count(file).is_some_and(|now| now > *before))
    }
}

/// The files that may hold the count, see cgroups(7): version 2, then version 1. In a container, the path of the group may
/// lie outside the container, so the root of the mount is a fallback.
fn files(groups: &str, mounted: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let below = path.trim_start_matches('/');
        if controllers.is_empty() {
            files.push(mounted.join(below).join("memory.events"));
            files.push(mounted.join("memory.events"));
        } else if controllers.split(',').any(|name| name == "memory") {
            files.push(mounted.join("memory").join(below).join("memory.oom_control"));
            files.push(mounted.join("memory/memory.oom_control"));
        }
    }
    files
}

/// Reads the line `oom_kill N`, which the files of both versions contain.
fn count(file: &Path) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_both_cgroup_versions_are_found() {
        let second = files("0::/system.slice/runner.service\n", Path::new("/cg"));
        assert_eq!(second[0], Path::new("/cg/system.slice/runner.service/memory.events"));
        let first = files("5:cpu,cpuacct:/\n4:memory:/docker/abc\n", Path::new("/cg"));
        assert_eq!(first[0], Path::new("/cg/memory/docker/abc/memory.oom_control"));
        assert!(files("nonsense\n", Path::new("/cg")).is_empty());
    }

    #[test]
    fn a_growing_count_is_an_oom_kill() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("memory.events");
        let write = |kills: u32| {
            common::fs::atomic::write(&file, format!("low 0\noom 9\noom_kill {kills}\n").as_bytes())
        };
        write(2).unwrap();
        let watch = OomKills { baseline: Some((file.clone(), count(&file).unwrap())) };
        assert!(!watch.happened());
        write(3).unwrap();
        assert!(watch.happened());
        assert!(!OomKills { baseline: None }.happened());
    }
}
