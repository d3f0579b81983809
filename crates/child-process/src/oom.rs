//! Whether the kernel ran out of memory: it says so only beside the process that it killed.

use std::fs;
use std::path::{Path, PathBuf};

/// The kernel's count of the processes that it killed in this process's control group for want of memory.
#[derive(Debug)]
pub struct OomKills {
    /// The file with the count, and what it said; `None` where it cannot be read.
    known: Option<(PathBuf, u64)>,
}

impl OomKills {
    /// Remembers the count.
    pub fn watch() -> Self {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let known = files(&groups, Path::new("/sys/fs/cgroup")).into_iter().find_map(|file| {
            let count = count(&file)?;
            Some((file, count))
        });
        Self { known }
    }

    /// Whether it has grown since.
    pub fn happened(&self) -> bool {
        self.known.as_ref().is_some_and(|(file, before)| count(file).is_some_and(|now| now > *before))
    }
}

/// Where the count may be, by cgroups(7): the second version's file, then the first's. In a container, what the
/// kernel calls the group may be a path outside of it: then its own root counts.
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

/// The line `oom_kill N`, which both versions' files have.
fn count(file: &Path) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_either_version_is_found() {
        let second = files("0::/system.slice/runner.service\n", Path::new("/cg"));
        assert_eq!(second[0], Path::new("/cg/system.slice/runner.service/memory.events"));
        let first = files("5:cpu,cpuacct:/\n4:memory:/docker/abc\n", Path::new("/cg"));
        assert_eq!(first[0], Path::new("/cg/memory/docker/abc/memory.oom_control"));
        assert!(files("nonsense\n", Path::new("/cg")).is_empty());
    }

    #[test]
    fn a_growing_count_is_a_kill() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("memory.events");
        let write = |kills: u32| {
            common::fs::atomic::write(&file, format!("low 0\noom 9\noom_kill {kills}\n").as_bytes())
        };
        write(2).unwrap();
        let watch = OomKills { known: Some((file.clone(), count(&file).unwrap())) };
        assert!(!watch.happened());
        write(3).unwrap();
        assert!(watch.happened());
        assert!(!OomKills { known: None }.happened());
    }
}
