//! The remote repository: its URL and credentials as configuration in git's environment. Nothing of it is in argv: git
//! passes the URL of a remote to its helpers as an argument, so credentials have to leave the URL.

use common::secrets::Redactor;
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::error::StoreError;

/// The name of the remote. No configuration of a user has one with this name.
pub(super) const NAME: &str = "dm-state-store";

/// Gives git the credentials in the environment. The text is an argument of a shell, and contains none.
const HELPER: &str = "!f() { test \"$1\" != get || printf 'username=%s\\npassword=%s\\n' \"$DM_GIT_USERNAME\" \"$DM_GIT_PASSWORD\"; }; f";

/// A longer name of a user may be a token.
const TOKEN_LENGTH: usize = 20;

/// A remote repository.
#[derive(Debug)]
pub(super) struct Remote {
    /// Names and values of git's configuration.
    pub(super) config: Vec<(String, SecretString)>,
    /// Variables that [`HELPER`] reads.
    pub(super) variables: Vec<(&'static str, SecretString)>,
    pub(super) is_ssh: bool,
    redactor: Redactor,
}

impl Remote {
    /// # Errors
    /// git cannot use the URL.
    pub(super) fn parse(remote: &SecretString) -> Result<Self, StoreError> {
        // An error does not repeat the URL.
        let mut url = Url::parse(remote.expose_secret()).map_err(|error| {
            StoreError::Denied(format!("the URL of the repository is invalid, correct it: {error}"))
        })?;
        if url.query().is_some() {
            return Err(StoreError::Denied(
                "the URL of the repository has a query: write credentials as https://user:password@host/"
                    .to_owned(),
            ));
        }
        let is_ssh = url.scheme() == "ssh";
        let is_http = matches!(url.scheme(), "http" | "https");
        let mut redactor = Redactor::default().with_environment();
        let username = decode(url.username());
        let password = url.password().map(decode);
        redactor.add(url.password().map(str::to_owned));
        redactor.add(password.clone());
        // Some hosts take a token as the name of the user.
        redactor.add(Some(username.clone()).filter(|name| name.len() >= TOKEN_LENGTH));
        let _ = url.set_password(None);
        let (mut config, mut variables) = (Vec::new(), Vec::new());
        if is_http {
            let _ = url.set_username("");
            let scope = format!("credential.{}", url.origin().ascii_serialization());
            if let Some(password) = password {
                // The first one, which is empty, removes the user's helpers for this host: they would store the password.
                for helper in ["", HELPER] {
                    config.push((format!("{scope}.helper"), helper.to_owned().into()));
                }
                variables.push(("DM_GIT_USERNAME", username.into()));
                variables.push(("DM_GIT_PASSWORD", password.into()));
            } else if !username.is_empty() {
                config.push((format!("{scope}.username"), username.into()));
            }
        }
        config.push((format!("remote.{NAME}.url"), String::from(url).into()));
        Ok(Self { config, variables, is_ssh, redactor })
    }

    /// What git printed, as one line without secrets and control characters.
    pub(super) fn clean(&self, text: &[u8]) -> String {
        let text = String::from_utf8_lossy(text);
        let lines = text.lines().map(|line| line.trim_matches(|it: char| it.is_control() || it == ' '));
        let lines: Vec<_> = lines.filter(|line| !line.is_empty() && !line.starts_with("hint: ")).collect();
        let line: String = lines.join("; ").chars().filter(|char| !char.is_control()).collect();
        without_userinfo(&self.redactor.redact(&line)).chars().take(600).collect()
    }
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Removes what is between `://` and `@`: the user's `insteadOf` may have put it there.
fn without_userinfo(text: &str) -> String {
    let mut parts = text.split("://");
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|char: char| char == '/' || char.is_whitespace()).unwrap_or(part.len());
        let host = part[..end].rfind('@').map_or(0, |at| at + 1);
        clean.push_str("://");
        clean.push_str(&part[host..]);
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(url: &str) -> Vec<String> {
        let remote = Remote::parse(&url.to_owned().into()).unwrap();
        remote.config.iter().map(|(name, value)| format!("{name}={}", value.expose_secret())).collect()
    }

    #[test]
    fn credentials_leave_the_url() {
        assert_eq!(values("file:///srv/r.git"), ["remote.dm-state-store.url=file:///srv/r.git"]);
        assert_eq!(values("ssh://git:hunter2@h/r"), ["remote.dm-state-store.url=ssh://git@h/r"]);
        assert_eq!(
            values("https://ada@h:8443/r"),
            ["credential.https://h:8443.username=ada", "remote.dm-state-store.url=https://h:8443/r"]
        );
        let with_password = values("https://ada:hunter2@h/r");
        assert_eq!(with_password.len(), 3);
        assert_eq!(with_password[2], "remote.dm-state-store.url=https://h/r");
        assert!(!with_password.concat().contains("hunter2"));
        assert!(Remote::parse(&"https://h/r?token=x".to_owned().into()).is_err());
    }

    #[test]
    fn what_git_prints_is_cleaned() {
        let remote = Remote::parse(&"https://ada:hunter%32@h/r".to_owned().into()).unwrap();
        assert_eq!(
            remote.clean(b"\x1b[31mfatal\x1b[m: 'https://u:p@h/r' hunter2 hunter%32\nhint: x\n\r remote: https://tok@h"),
            "[31mfatal[m: 'https://h/r' *** ***; remote: https://h"
        );
    }
}
