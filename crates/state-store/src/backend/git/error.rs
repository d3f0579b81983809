//! Why git failed: sorted by what can be done about it.

use crate::error::StoreError;

/// Why a step of a git store failed.
#[derive(Debug, PartialEq)]
pub(super) enum GitError {
    /// The object has another version than the write expects.
    Conflict,
    /// The remote has no such ref.
    NoRef,
    /// Another attempt does not help.
    Denied(String),
    /// Another attempt may help.
    Unavailable(String),
    /// Nobody knows. The clone on this machine may be damaged.
    Unknown(String),
    /// What was read is not what these tools write.
    Damaged(String),
}

impl From<GitError> for StoreError {
    fn from(error: GitError) -> Self {
        match error {
            GitError::Conflict => Self::Conflict,
            GitError::NoRef => Self::Unavailable("the ref has just been deleted".to_owned()),
            GitError::Denied(message) => Self::Denied(message),
            GitError::Unavailable(message) | GitError::Unknown(message) => Self::Unavailable(message),
            GitError::Damaged(message) => Self::Damaged(message),
        }
    }
}

/// What git or a host says if another attempt does not help, and what to do. The case does not matter.
const DENIED: [(&[&str], &str); 8] = [
    (
        &[
            "authentication failed",
            "could not read username",
            "could not read password",
            "unable to get password",
            "terminal prompts disabled",
            "invalid username or password",
            "returned error: 401",
            "invalid credentials",
            "permission denied (",
        ],
        "configure a credential helper or a key for this host, or set credentials in the URL",
    ),
    (&["host key verification failed"], "add the host's key to known_hosts"),
    (&["dubious ownership"], "let the owner of the repository run this, or add it to safe.directory"),
    (
        &["certificate", "ssl peer"],
        "add the host's certificate authority to the system, or name it in http.sslCAInfo",
    ),
    (
        &["repository not found", "does not appear to be a git repository", "returned error: 404"],
        "check the URL, and that the credentials may read this repository",
    ),
    (&["strange hostname", "strange pathname", "strange port"], "correct the URL"),
    (
        &["not a git command", "unable to find remote helper", "mismatched algorithms"],
        "use another transport or repository",
    ),
    (
        &[
            "returned error: 403",
            "permission to ",
            "permission denied",
            "access denied",
            "write access",
            "not authorized",
            "not allowed",
            "insufficient permission",
            "hook declined",
            "rule violations",
            "protected",
            "prohibited",
            "hidden ref",
            "denied",
            "service not enabled",
        ],
        "let these credentials write this ref (contents: write), and exempt it from hooks and rules",
    ),
];

/// What git says about the network; and about a promised object, which it fetches when it is read.
const UNAVAILABLE: [&str; 14] = [
    "could not resolve",
    "couldn't connect",
    "failed to connect",
    "connection refused",
    "connection reset",
    "connection closed",
    "timed out",
    "unreachable",
    "no route to host",
    "hung up",
    "early eof",
    "disconnect",
    "unable to access",
    "rpc failed",
];

/// Sorts a failure by what git printed.
pub(super) fn classify(message: String) -> GitError {
    let text = message.to_ascii_lowercase();
    if text.contains("couldn't find remote ref") {
        return GitError::NoRef;
    }
    let denied = DENIED.iter().find(|(patterns, _)| patterns.iter().any(|pattern| text.contains(pattern)));
    if let Some((_, advice)) = denied {
        return GitError::Denied(format!("{message}: {advice}"));
    }
    if UNAVAILABLE.iter().any(|pattern| text.contains(pattern)) {
        return GitError::Unavailable(message);
    }
    GitError::Unknown(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_help_is_told_from_what_may_help() {
        let denied = |text: &str| matches!(classify(text.to_owned()), GitError::Denied(_));
        let unavailable = |text: &str| matches!(classify(text.to_owned()), GitError::Unavailable(_));
        for text in [
            "fatal: could not read Username for 'https://h': terminal prompts disabled",
            "remote: Permission to o/r.git denied to u.; fatal: unable to access 'https://h/': The requested URL returned error: 403",
            "git@h: Permission denied (publickey).; fatal: Could not read from remote repository.",
            "fatal: unable to access 'https://h/': SSL certificate problem: self-signed certificate",
            "fatal: strange hostname '-x' blocked",
            "[remote rejected] (pre-receive hook declined)",
            "remote: error: GH013: Repository rule violations found for refs/dm/state.",
        ] {
            assert!(denied(text), "{text}");
        }
        for text in [
            "fatal: unable to access 'https://h/': Could not resolve host: h",
            "fatal: unable to access 'http://h/': The requested URL returned error: 503",
            "ssh: connect to host h port 22: Connection refused; fatal: Could not read from remote repository.",
            "error: RPC failed; curl 56 Recv failure; fatal: the remote end hung up unexpectedly",
        ] {
            assert!(unavailable(text), "{text}");
        }
        assert_eq!(classify("fatal: couldn't find remote ref refs/dm/state".to_owned()), GitError::NoRef);
        assert_eq!(
            classify("fatal: bad object".to_owned()),
            GitError::Unknown("fatal: bad object".to_owned())
        );
    }
}
