//! The password file, `~/.pgpass`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use common::fs::bounded::{self, MAX_SMALL_BYTES};

/// What a line of the file has to match.
pub(super) struct Login<'a> {
    /// `localhost` for a Unix socket.
    pub(super) host: &'a str,
    pub(super) port: &'a str,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

/// The password of the first line that matches. Like libpq, ignores a file that others can read.
pub(super) fn password(file: &Path, login: &Login<'_>) -> Option<String> {
    if fs::metadata(file).ok()?.permissions().mode() & 0o077 != 0 {
        return None;
    }
    let text = bounded::read_text(file, MAX_SMALL_BYTES).ok()?;
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut fields = split(line).into_iter();
        let expected = [login.host, login.port, login.database, login.user];
        let matches =
            expected.iter().all(|value| fields.next().is_some_and(|field| field == "*" || field == *value));
        matches.then(|| fields.next()).flatten()
    })
}

/// The fields between colons; a backslash makes the next character part of its field.
fn split(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (c, fields.last_mut()) {
            ('\\', Some(field)) => field.extend(chars.next()),
            (':', _) => fields.push(String::new()),
            (c, Some(field)) => field.push(c),
            (_, None) => {}
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    #[test]
    fn the_first_line_that_matches_counts() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".pgpass");
        let text = "# comment\nh:5432:other:u:wrong\nh:*:d:u:p\\:a\\\\ss\n*:*:*:*:last\n";
        common::fs::atomic::write(&file, text.as_bytes()).unwrap();
        let find = |host| password(&file, &Login { host, port: "5433", database: "d", user: "u" });
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(find("h").unwrap(), r"p:a\ss");
        assert_eq!(find("localhost").unwrap(), "last");
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        assert_eq!(find("h"), None);
    }
}
