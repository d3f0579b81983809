//! The environment of the migration tool: libpq's variables, which most drivers read. They name its sessions, and let the
//! server end the statement of a client that is gone.

use common::env::Env;

use super::connection::Connection;

/// The maximum length of an `application_name` in bytes; the server truncates longer ones.
const MAX_NAME_LENGTH: usize = 63;

/// The setting with which the server checks every second that the client of a running statement is still connected.
const CLIENT_CHECK: &str = "client_connection_check_interval";

/// The `application_name` of the migration's sessions: the user's name, if any, and that of the run.
pub(crate) fn application_name(run: &str, env: &Env<'_>) -> String {
    let suffix = format!("dm-migrate:{run}");
    let Some(mut name) = env("PGAPPNAME") else { return suffix };
    name.truncate(name.floor_char_boundary(MAX_NAME_LENGTH - suffix.len() - 1));
    format!("{name} {suffix}")
}

/// Whether the server accepts [`CLIENT_CHECK`]. It is new in version 14, and some platforms do not support it; a server
/// refuses a session with a setting that it does not know.
pub(super) async fn can_check_client(connection: &Connection) -> bool {
    connection.rows(&format!("select set_config('{CLIENT_CHECK}', '1s', false)"), &[]).await.is_ok()
}

/// The settings of the migration's sessions, as `PGOPTIONS`. The user's options come last and so take precedence.
pub(super) fn options(can_check_client: bool, env: &Env<'_>) -> Option<String> {
    let check = can_check_client.then(|| format!("-c {CLIENT_CHECK}=1s"));
    Some([check?, env("PGOPTIONS").unwrap_or_default()].join(" ").trim().to_owned())
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
        assert_eq!(options(true, &env).unwrap(), "-c client_connection_check_interval=1s -c lock_timeout=1s");
    }

    #[test]
    fn an_old_server_gets_no_unsupported_setting() {
        assert_eq!(options(false, &|_| None), None);
        assert_eq!(application_name("ab", &|_| None), "dm-migrate:ab");
    }
}
