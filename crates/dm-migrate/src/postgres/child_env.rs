//! What the migration tool is told by libpq's variables, which most drivers read: a name to know its sessions by, and
//! settings that keep them from blocking others for long.

use std::time::Duration;

use common::env::Env;

/// The server cuts longer names off.
const LONGEST_NAME: usize = 63;

/// The server looks so often whether the client of a running statement is still there.
const CLIENT_CHECK: &str = "client_connection_check_interval=1s";

/// The first version that knows [`CLIENT_CHECK`]; before, a session with it would be refused.
const KNOWS_CLIENT_CHECK: i32 = 140_000;

/// The `application_name` of the migration's sessions: the user's own, and the run's.
pub(crate) fn application_name(run: &str, env: &Env<'_>) -> String {
    let ours = format!("dm-migrate:{run}");
    let Some(mut name) = env("PGAPPNAME") else { return ours };
    name.truncate(name.floor_char_boundary(LONGEST_NAME - ours.len() - 1));
    format!("{name} {ours}")
}

/// The settings of the migration's sessions, as `PGOPTIONS`. What the user set comes later, and so wins.
pub(crate) fn options(server_version: i32, lock_timeout: Option<Duration>, env: &Env<'_>) -> Option<String> {
    let mut options = Vec::new();
    options.extend(lock_timeout.map(|limit| format!("-c lock_timeout={}ms", limit.as_millis())));
    options.extend((server_version >= KNOWS_CLIENT_CHECK).then(|| format!("-c {CLIENT_CHECK}")));
    options.extend(env("PGOPTIONS"));
    (!options.is_empty()).then(|| options.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_user_set_stays_and_wins() {
        let env = |name: &str| match name {
            "PGAPPNAME" => Some("ü".repeat(40)),
            _ => Some("-c lock_timeout=1s".to_owned()),
        };
        let name = application_name("0123456789abcdef", &env);
        assert!(name.len() <= LONGEST_NAME && name.ends_with("ü dm-migrate:0123456789abcdef"), "{name}");
        assert_eq!(
            options(150_018, Some(Duration::from_secs(5)), &env).unwrap(),
            "-c lock_timeout=5000ms -c client_connection_check_interval=1s -c lock_timeout=1s"
        );
    }

    #[test]
    fn an_old_server_is_told_nothing_that_it_would_refuse() {
        assert_eq!(options(130_010, None, &|_| None), None);
        assert_eq!(application_name("ab", &|_| None), "dm-migrate:ab");
    }
}
