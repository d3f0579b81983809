//! Who holds a lock, as the kernel tells it.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;

/// The process that holds the lock on `file`; `None` if that is unknown, as in another PID namespace.
pub(super) fn holder(file: &File) -> Option<u32> {
    let file = file.metadata().ok()?;
    let locks = fs::read_to_string("/proc/locks").ok()?;
    find(&locks, (nix::sys::stat::major(file.dev()), nix::sys::stat::minor(file.dev()), file.ino()))
}

/// Finds a line such as `1: FLOCK  ADVISORY  WRITE 1234 fe:01:131 0 EOF` with this device and inode. A line with `->` is a
/// process that waits.
fn find(locks: &str, (major, minor, inode): (u64, u64, u64)) -> Option<u32> {
    let place = format!("{major:02x}:{minor:02x}:{inode}");
    locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, "FLOCK", _, _, pid, at, ..] = fields.as_slice() else { return None };
        let pid = pid.parse().ok().filter(|pid| *pid > 0);
        pid.filter(|_| *at == place)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_found_among_those_who_wait() {
        let locks = "1: POSIX  ADVISORY  READ 5 fe:01:131 0 EOF\n\
            2: FLOCK  ADVISORY  WRITE 77 fe:01:131 0 EOF\n\
            2: -> FLOCK  ADVISORY  WRITE 78 fe:01:131 0 EOF\n\
            3: FLOCK  ADVISORY  WRITE 79 fe:01:132 0 EOF\n";
        assert_eq!(find(locks, (0xfe, 1, 131)), Some(77));
        assert_eq!(find(locks, (0xfe, 1, 132)), Some(79));
        assert_eq!(find(locks, (0xfe, 2, 131)), None);
    }
}
