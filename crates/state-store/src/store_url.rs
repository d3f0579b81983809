//! The URL that selects a store, such as `s3://bucket/prefix`.

use std::fmt::{self, Debug, Display, Formatter};
use std::path::PathBuf;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// The ref of a git store, unless the URL names another one.
const DEFAULT_REF: &str = "refs/dm/state";

const MISPLACED_AT: &str = "an @ comes after the first slash: in a password write / as %2F, # as %23 and @ as %40; a path \
                            cannot contain one";

/// Where the shared state is. Its text forms contain no credentials.
#[derive(Clone)]
pub enum StoreUrl {
    /// A folder that several processes, or machines with the same network file system, share.
    Folder(PathBuf),
    /// A bucket or container of an object store, with a prefix: `s3`, `gs` or `az`.
    Objects(Url),
    /// A ref in a git repository.
    Git {
        /// What git takes as the name of the repository; it may contain credentials.
        remote: SecretString,
        /// The full name of the ref.
        reference: String,
    },
}

impl FromStr for StoreUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "write file:///folder, s3://bucket/prefix, gs://bucket/prefix, az://container/prefix, or \
                        git+https://host/repository.git#refs/dm/state";
        // The text may contain a password, so no error repeats it.
        let url = Url::parse(text).map_err(|error| format!("it is not a URL ({error}): {expected}"))?;
        match url.scheme() {
            "file" => {
                let folder = url.to_file_path().ok().filter(|folder| folder.parent().is_some());
                folder.map(Self::Folder).ok_or_else(|| format!("it names no folder: {expected}"))
            }
            "s3" | "gs" | "az" => objects(url),
            "git+https" | "git+http" | "git+ssh" | "git+file" => git(&url),
            _ => Err(format!("it names no kind of store: {expected}")),
        }
    }
}

/// Whether an `@` comes after the name of the host: then a slash in a password has made half of it the path, and what is
/// shown of the URL would contain it.
fn has_misplaced_at(url: &Url) -> bool {
    url.path().contains('@') || url.path().to_ascii_lowercase().contains("%40")
}

fn objects(url: Url) -> Result<StoreUrl, String> {
    if url.host_str().is_none_or(str::is_empty) {
        return Err(format!("it names no bucket: write {}://bucket/prefix", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "it contains credentials: set them in the environment, as the platform's own tools do".to_owned()
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("it has a query or a fragment, which a bucket has not".to_owned());
    }
    if has_misplaced_at(&url) {
        return Err(MISPLACED_AT.to_owned());
    }
    Ok(StoreUrl::Objects(url))
}

fn git(url: &Url) -> Result<StoreUrl, String> {
    let reference = url.fragment().filter(|it| !it.is_empty()).unwrap_or(DEFAULT_REF);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte);
    let is_ref = reference.starts_with("refs/")
        && reference.bytes().all(is_plain)
        && !reference.contains("..")
        && !reference.contains("//")
        && !reference.ends_with(['/', '.'])
        && !reference.to_ascii_lowercase().ends_with(".lock");
    if !is_ref {
        return Err(format!("what follows # is not the full name of a ref, such as {DEFAULT_REF}"));
    }
    if reference.starts_with("refs/heads/") || reference.starts_with("refs/tags/") {
        return Err(format!(
            "its ref is a branch or a tag, which the state would overwrite: use a ref of its own, such as {DEFAULT_REF}"
        ));
    }
    if url.scheme() != "git+file" && has_misplaced_at(url) {
        return Err(MISPLACED_AT.to_owned());
    }
    let mut remote = url.clone();
    remote.set_fragment(None);
    let remote = remote.as_str().trim_start_matches("git+").to_owned();
    Ok(StoreUrl::Git { remote: remote.into(), reference: reference.to_owned() })
}

impl Display for StoreUrl {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            Self::Objects(url) => write!(f, "{url}"),
            Self::Git { remote, reference } => match Url::parse(remote.expose_secret()) {
                Ok(mut url) => {
                    let _ = url.set_username("");
                    let _ = url.set_password(None);
                    url.set_query(None);
                    write!(f, "git+{url}#{reference}")
                }
                Err(_) => write!(f, "a git repository, {reference}"),
            },
        }
    }
}

impl Debug for StoreUrl {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "StoreUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        text.parse::<StoreUrl>().map_or_else(|error| format!("error: {error}"), |url| url.to_string())
    }

    #[test]
    fn each_kind_of_store_has_a_url_without_credentials() {
        for (text, expected) in [
            ("file:///srv/dm", "/srv/dm"),
            ("s3://bucket/a/b", "s3://bucket/a/b"),
            ("git+https://github.com/o/r.git", "git+https://github.com/o/r.git#refs/dm/state"),
            ("git+https://u:hunter2@host/r.git?token=x#refs/dm/x", "git+https://host/r.git#refs/dm/x"),
            ("git+ssh://git@host/r.git#refs/dm/state", "git+ssh://host/r.git#refs/dm/state"),
            ("git+file:///srv/r.git", "git+file:///srv/r.git#refs/dm/state"),
        ] {
            assert_eq!(shown(text), expected);
            assert!(!format!("{:?}", text.parse::<StoreUrl>()).contains("hunter2"));
        }
    }

    #[test]
    fn a_wrong_url_is_refused_and_not_repeated() {
        for text in [
            "",
            "/srv/dm",
            "file:",
            "file:///",
            "s3://",
            "s3://u:hunter2@bucket/x",
            "s3://bucket?x=1",
            "ftp://u:hunter2@h/x",
            "git+https://u:hunter2@h/r#refs/heads/main",
            "git+https://u:hunter2@h/r#refs/dm/../heads/x",
            "git+https://h/r#main",
            "git+https://h/r#refs/dm/x.lock",
            "git+https://h/r#refs/dm/ x",
            "git+https://u:#hunter2@h/r",
            "git+https://u:12#hunter2@h/r",
            "git+https://u:/hunter2@h/r",
            "git+ssh://u:12/hunter2@h/r",
            "s3://key:/hunter2@bucket",
            "s3://key/hunter2@bucket",
            "hunter2:x",
            "git+https://u@h/r#refs/heads/hunter2",
        ] {
            let error = text.parse::<StoreUrl>().expect_err(text);
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
