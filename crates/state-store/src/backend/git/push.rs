//! Pushing one commit: the compare-and-swap.

use crate::backend::git::clone::LocalClone;
use crate::backend::git::error::{GitError, classify};
use crate::backend::git::remote;

/// What became of a push.
#[derive(Debug, PartialEq)]
pub(super) enum Pushed {
    /// The ref is the new commit.
    Done,
    /// The ref was not the expected commit. The host's reason.
    Lost(String),
}

/// Why a host rejects a ref that has changed meanwhile: at the start of the push, or at its end.
const LOST: [&str; 7] = [
    "stale info",
    "fetch first",
    "non-fast-forward",
    "cannot lock ref",
    "failed to update ref",
    "incorrect old value",
    "already exists",
];

/// Makes `reference` the commit, if it is `old`; `None` stands for a ref that does not exist.
pub(super) async fn push(
    clone: &LocalClone<'_>,
    reference: &str,
    old: Option<&str>,
    commit: &str,
) -> Result<Pushed, GitError> {
    let lease = format!("--force-with-lease={reference}:{}", old.unwrap_or_default());
    let refspec = format!("{commit}:{reference}");
    let arguments = [
        "push",
        "--porcelain",
        "--no-verify",
        "--no-signed",
        "--no-follow-tags",
        "--recurse-submodules=no",
        &lease,
        remote::NAME,
        &refspec,
    ];
    let git = clone.git();
    let output = git.output(clone.path(), &arguments).await?;
    let text = String::from_utf8_lossy(&output.stdout);
    match parse(&text, &refspec) {
        Some((true, _)) => Ok(Pushed::Done),
        Some((false, reason)) if LOST.iter().any(|lost| reason.contains(lost)) => {
            Ok(Pushed::Lost(git.clean(&reason)))
        }
        Some((false, reason)) => {
            let printed = git.message(&arguments, &output);
            Err(classify(format!("{}: {printed}", git.clean(&reason))))
        }
        None => Err(classify(git.message(&arguments, &output))),
    }
}

/// Whether the ref was updated, and the reason: a line `FLAG TAB FROM:TO TAB SUMMARY`, where the flag `!` stands for a
/// failure.
fn parse(text: &str, refspec: &str) -> Option<(bool, String)> {
    text.lines().find_map(|line| {
        let (flag, rest) = line.split_once('\t')?;
        let (pushed, summary) = rest.split_once('\t')?;
        (pushed == refspec).then(|| (flag != "!", summary.to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_line_of_the_ref_counts() {
        let text = |line: &str| format!("To https://h/r\n{line}\nDone\n");
        assert_eq!(
            parse(&text("*\ta:r\t[new reference]"), "a:r"),
            Some((true, "[new reference]".to_owned()))
        );
        assert_eq!(parse(&text(" \ta:r\t1..2"), "a:r"), Some((true, "1..2".to_owned())));
        let lost = parse(&text("!\ta:r\t[rejected] (stale info)"), "a:r");
        assert_eq!(lost, Some((false, "[rejected] (stale info)".to_owned())));
        assert_eq!(parse("fatal", "a:r"), None);
    }
}
