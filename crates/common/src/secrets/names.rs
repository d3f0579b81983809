//! Names of variables and parameters that tell of a secret.

/// A name that contains one of these holds a secret.
const PARTS: [&str; 16] = [
    "TOKEN",
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "KEY",
    "CREDENTIAL",
    "AUTH",
    "COOKIE",
    "WEBHOOK",
    "SIGNING",
    "SIGNATURE",
    "PRIVATE",
    "CONNECTIONSTRING",
    "CONNECTION_STRING",
    "BEARER",
];

/// A name with one of these between its underscores holds a secret. As parts of longer words they would not.
const WORDS: [&str; 19] = [
    "PASS", "PWD", "PW", "PSK", "PAT", "PIN", "OTP", "TOTP", "DSN", "CERT", "PFX", "P12", "SALT", "PEPPER",
    "SIG", "SAS", "JWT", "CREDS", "CONNSTR",
];

/// Whether the name of a variable or of a parameter tells of a secret.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let mut words = name.split(|c: char| !c.is_ascii_alphanumeric());
    // MYSQL_PWD and PGPASSWORD are one word and two.
    PARTS.iter().any(|part| name.contains(part)) || words.any(|word| WORDS.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_common_secrets_are_recognised() {
        for name in [
            "API_TOKEN",
            "aws_secret_access_key",
            "MYSQL_PWD",
            "PGPASSWORD",
            "GPG_PASSPHRASE",
            "SENTRY_DSN",
            "GH_PAT",
            "SLACK_WEBHOOK_URL",
            "CLIENT_CERT",
            "PASSWORD_SALT",
            "CODE_SIGNING_ID",
            "SSH_PRIVATE",
            "REDIS_PASS",
            "sig",
            "AZURE_STORAGE_CONNECTION_STRING",
            "ConnectionStrings__Main",
            "NPM_AUTH",
            "access-token",
            "SIGNATURE",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["PATH", "HOME", "COMPASS", "PATTERN", "SPINNER", "DATABASE_URL", "CERTAIN"] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
