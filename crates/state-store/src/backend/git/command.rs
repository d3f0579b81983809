//! One git command: its configuration, its environment, and its limits. It never asks a person: it has no terminal. It
//! runs no hook for its clone. A repository on this machine (`git+file`) has its own git, with the user's configuration and
//! the hooks in it.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use child_process::{Captured, Output};
use common::env;
use secrecy::ExposeSecret;
use tokio::process::Command;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::backend::git::error::{GitError, classify};
use crate::backend::git::remote::Remote;
use crate::object::MAX_BYTES;

/// How long a command may take that uses the network.
const REMOTE_LIMIT: Duration = Duration::from_mins(1);

/// How long a command may take that only uses the clone.
const LOCAL_LIMIT: Duration = Duration::from_secs(30);

/// Nothing that git prints is longer.
#[expect(clippy::cast_possible_truncation, reason = "it is 8 MiB")]
const MAX_OUTPUT: usize = MAX_BYTES as usize + 1;

/// `GIT_CONFIG_COUNT` exists from this version on.
const OLDEST: (u32, u32) = (2, 31);

/// Overrides what the user's configuration may contain. Credentials, proxies, certificates and `insteadOf` stay.
const CONFIG: [&str; 24] = [
    "commit.gpgSign=false",
    "push.gpgSign=false",
    "push.pushOption=",
    "push.negotiate=false",
    "push.useForceIfIncludes=false",
    "core.hooksPath=/dev/null",
    "core.splitIndex=false",
    "core.fsmonitor=false",
    "core.multiPackIndex=false",
    "core.commitGraph=false",
    "core.logAllRefUpdates=false",
    "core.sharedRepository=umask",
    "credential.interactive=false",
    "color.ui=false",
    "color.push=false",
    "color.remote=false",
    "color.transport=false",
    "color.advice=false",
    "fetch.writeCommitGraph=false",
    "fetch.prune=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "init.defaultRefFormat=files",
    // A delta in a push needs earlier content, which git would fetch first. Over HTTP, --no-thin does not prevent that.
    "pack.window=0",
];

/// The variables of git that stay, by how their names begin; the others would select another repository, or print
/// secrets.
const KEPT: [&str; 9] = [
    "GIT_CONFIG_",
    "GIT_ASKPASS",
    "GIT_SSH",
    "GIT_SSL_",
    "GIT_HTTP_",
    "GIT_PROXY_",
    "GIT_EXEC_PATH",
    "GIT_PROTOCOL",
    "GIT_ALLOW_PROTOCOL",
];

/// How to run git.
#[derive(Debug)]
pub(super) struct Git {
    program: PathBuf,
    remote: Remote,
    /// How to start ssh; empty as long as nothing was checked.
    ssh: OnceCell<Option<&'static str>>,
}

impl Git {
    pub(super) fn new(remote: Remote) -> Self {
        Self { program: PathBuf::from("git"), remote, ssh: OnceCell::new() }
    }

    /// Checks git once, before it does anything else.
    pub(super) async fn prepare(&self, clone: &Path) -> Result<(), GitError> {
        self.ssh.get_or_try_init(|| self.check(clone)).await.map(drop)
    }

    /// Runs a command that uses the network.
    pub(super) async fn remote(&self, clone: &Path, arguments: &[&str]) -> Result<Vec<u8>, GitError> {
        let output = self.output(clone, arguments).await?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(classify(self.message(arguments, &output)))
    }

    /// Runs a command that only uses the clone.
    pub(super) async fn local(&self, clone: &Path, arguments: &[&str]) -> Result<Vec<u8>, GitError> {
        let mut command = self.command(clone, arguments);
        let output = self.run(&mut command, LOCAL_LIMIT).await?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(GitError::Unknown(self.message(arguments, &output)))
    }

    /// Runs a command that uses the network, and returns what it printed even if it failed.
    pub(super) async fn output(&self, clone: &Path, arguments: &[&str]) -> Result<Output, GitError> {
        let mut command = self.command(clone, arguments);
        if let Some(Some(ssh)) = self.ssh.get() {
            command.env("GIT_SSH_COMMAND", ssh);
        }
        self.run(&mut command, REMOTE_LIMIT).await
    }

    /// What a command that failed has printed.
    pub(super) fn message(&self, arguments: &[&str], output: &Output) -> String {
        let message = self.remote.clean(&output.stderr);
        let command = arguments.first().unwrap_or(&"");
        if message.is_empty() {
            format!("git {command}: {}", output.status)
        } else {
            format!("git {command}: {message}")
        }
    }

    /// What git printed, without secrets.
    pub(super) fn clean(&self, text: &str) -> String {
        self.remote.clean(text.as_bytes())
    }

    /// Checks the version. Returns how to start ssh, unless the user has configured that. It must not ask for a password;
    /// what the user has configured finds no terminal on which it could.
    async fn check(&self, clone: &Path) -> Result<Option<&'static str>, GitError> {
        let output = self.run(&mut self.command(clone, &["version"]), LOCAL_LIMIT).await?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if parse_version(&text).is_none_or(|version| version < OLDEST) {
            let (major, minor) = OLDEST;
            return Err(GitError::Denied(format!(
                "this is {}, and a state in a git repository needs git {major}.{minor} or newer",
                self.clean(&text)
            )));
        }
        let is_configured = ["GIT_SSH", "GIT_SSH_COMMAND"].iter().any(|name| env::system(name).is_some());
        if !self.remote.is_ssh || is_configured {
            return Ok(None);
        }
        let key = ["config", "--get", "core.sshCommand"];
        let output = self.run(&mut self.command(clone, &key), LOCAL_LIMIT).await?;
        Ok((!output.status.success()).then_some("ssh -o BatchMode=yes"))
    }

    async fn run(&self, command: &mut Command, limit: Duration) -> Result<Output, GitError> {
        let mut running = Captured::start_without_terminal(command).map_err(|error| {
            let text = child_process::explain(self.program.as_os_str(), &error).message;
            GitError::Denied(format!("{text}: a state in a git repository needs git"))
        })?;
        if let Ok(output) = timeout(limit, running.output(MAX_OUTPUT)).await {
            return output.map_err(|error| GitError::Unavailable(format!("cannot wait for git: {error}")));
        }
        running.terminate().await;
        Err(GitError::Unavailable(format!("git did not end within {} s", limit.as_secs())))
    }

    fn command(&self, clone: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        for name in env::names().filter(|name| is_removed(name)) {
            command.env_remove(name);
        }
        for setting in CONFIG {
            command.arg("-c").arg(setting);
        }
        let mut git_dir = OsString::from("--git-dir=");
        git_dir.push(clone);
        command.arg(git_dir).args(arguments);
        // A CI system may have configured its credentials in the same way.
        let known = env::system("GIT_CONFIG_COUNT").and_then(|count| count.parse().ok()).unwrap_or(0usize);
        let config = &self.remote.config;
        for (index, (name, value)) in config.iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{}", known + index), name);
            command.env(format!("GIT_CONFIG_VALUE_{}", known + index), value.expose_secret());
        }
        command.env("GIT_CONFIG_COUNT", (known + config.len()).to_string());
        for (name, value) in &self.remote.variables {
            command.env(name, value.expose_secret());
        }
        for person in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{person}_NAME"), "dm")
                .env(format!("GIT_{person}_EMAIL"), "dm@localhost");
        }
        command
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GCM_INTERACTIVE", "never")
            .env("LC_ALL", "C")
            .env("GIT_INDEX_FILE", clone.join("index"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

fn is_removed(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    // A window that asks for a password.
    name == "SSH_ASKPASS" || name.starts_with("GIT_") && !KEPT.iter().any(|kept| name.starts_with(kept))
}

/// Parses `git version 2.47.3`.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim().strip_prefix("git version ")?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_every_platform_is_understood() {
        assert_eq!(parse_version("git version 2.47.3\n"), Some((2, 47)));
        assert_eq!(parse_version("git version 2.39.5 (Apple Git-154)\n"), Some((2, 39)));
        assert_eq!(parse_version("git version 2.50.1.windows.1"), Some((2, 50)));
        assert_eq!(parse_version("hub"), None);
    }

    #[test]
    fn another_repository_is_not_selected_by_the_environment() {
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_TRACE_CURL", "GIT_AUTHOR_DATE", "GIT_QUARANTINE_PATH"] {
            assert!(is_removed(OsStr::new(name)), "{name}");
        }
        for name in ["GIT_ASKPASS", "GIT_SSH_COMMAND", "GIT_CONFIG_VALUE_0", "GIT_SSL_CAINFO", "HOME", "PATH"]
        {
            assert!(!is_removed(OsStr::new(name)), "{name}");
        }
    }
}
