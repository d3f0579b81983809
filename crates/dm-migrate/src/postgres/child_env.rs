//! The environment of the migration tool: libpq's variables, which most drivers read. They name its sessions, and limit how
//! long these may block others.

use std::time::Duration;

use common::env::Env;

/// The maximum length of an `application_name` in bytes; the server truncates longer ones.
const MAX_NAME_LENGTH: usize = 63;

/// How often the server checks that the client of a running statement is still connected.
const CLIENT_CHECK: &str = "client_connection_check_interval=1s";

/// The first server version that supports [`CLIENT_CHECK`]; older ones refuse a session with an unknown setting.
const CLIENT_CHECK_VERSION: i32 = 140_000;

/// The `application_name` of the migration's sessions: the user's name, if any, and that of the run.
pub(crate) fn application_name(run: &str, env: &Env<'_>) -> String {
    let suffix = format!("dm-migrate:{run}");
    let Some(mut name) = env("PGAPPNAME") else { return suffix };
    name.truncate(name.floor_char_boundary(MAX_NAME_LENGTH - suffix.len() - 1));
    format!("{name} {suffix}")
}

/// The settings of the migration's sessions, as `PGOPTIONS`. The user's options come last and so take precedence.
pub(crate) fn options(server_version: i32, lock_timeout: Option<Duration>, env: &Env<'_>) -> Option<String> {
    let mut options = Vec::new();
    options.extend(lock_timeout.map(|limit| format!("-c lock_timeout={}ms", limit.as_millis())));
    options.extend((server_version >= CLIENT_CHECK_VERSION).then(|| format!("-c {CLIENT_CHECK}")));
    options.extend(env("PGOPTIONS"));
    (!options.is_empty()).then(|| options.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_s_settings_take_precedence() {
        let env = |name: &str| match name {
            "PGAPPNAME" => Some("ü".repeat(40)),
            _ => Some("-c lock_timeout=1s".to_owned()),
        };
        let name = application_name("0123456789abcdef", &env);
        assert!(name.len() <= MAX_NAME_LENGTH && name.ends_with("ü dm-migrate:0123456789abcdef"), "{name}");
        assert_eq!(
            options(150_018, Some(Duration::from_secs(5)), &env).unwrap(),
            "-c lock_timeout=5000ms -c client_connection_check_interval=1s -c lock_timeout=1s"
        );
    }

    #[test]
    fn an_old_server_gets_no_unsupported_setting() {
        assert_eq!(options(130_010, None, &|_| None), None);
        assert_eq!(application_name("ab", &|_| None), "dm-migrate:ab");
    }
}
