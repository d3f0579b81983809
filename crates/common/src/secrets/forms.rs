//! The forms of secrets that their issuers document, as a table with the source of each. The rules of gitleaks are at
//! <https://github.com/gitleaks/gitleaks/blob/master/config/gitleaks.toml>. They find secrets in source code; here a secret that
//! is shown is worse than a word that is masked, so lengths are lower limits.

/// A form of a secret.
pub(super) struct Form {
    /// Matches the secret. It has a group before it, or none; a group after it, or none.
    pub(super) pattern: &'static str,
    /// What replaces it.
    pub(super) by: &'static str,
}

const fn form(pattern: &'static str, by: &'static str) -> Form {
    Form { pattern, by }
}

/// A token that is a secret as a whole.
const fn token(pattern: &'static str) -> Form {
    form(pattern, "***")
}

/// The forms, in the order in which they are replaced.
pub(super) const FORMS: [Form; 28] = [
    // RFC 3986, section 3.2.1: a user and a password in a URL. The password may contain : / and @, so the last @ counts.
    form(r#"(://[^/@:?#\s]*:)[^\s"'<>]+(@)"#, "$1***$2"),
    // A user alone may be a token. `git` is none.
    form(r"(://)(?:[^/@:?#\s]{4,})(@)", "$1***$2"),
    // gitleaks: slack-webhook-url, microsoft-teams-webhook, telegram-bot-api-token. The path of a webhook is its secret.
    form(
        r"(?i)((?:hooks\.slack\.com|discord(?:app)?\.com/api|[\w.-]*webhook\.office\.com|api\.telegram\.org)/)[^\s]+",
        "$1***",
    ),
    // RFC 9110, section 11.6.2, and RFC 6750.
    form(r"(?i)\b(bearer\s+|authorization:\s*\w+\s+)[A-Za-z0-9._~+/=-]{6,}", "$1***"),
    // Headers that are credentials by their name: RFC 6265 and the conventions of APIs.
    form(r#"(?i)\b((?:set-)?cookie:\s*|x-[\w-]*(?:key|token|secret|auth)[\w-]*:\s*)[^\s"']+"#, "$1***"),
    // gitleaks: curl-auth-user, and the flags of mysql, psql, docker login and others.
    form(
        r#"(?i)(--?(?:password|passwd|passphrase|secret|api-?key|access-?key|client-?secret|auth-?token|token)\s+)[^\s"'-][^\s"']*"#,
        "$1***",
    ),
    form(r#"(\s(?:-u|--user)\s+["']?[^\s:"']+:)[^\s"']+"#, "$1***"),
    // A prompt or a line of YAML. "token: unexpected" is no secret, so only what is never a word of a message.
    form(
        r#"(?i)\b([\w.-]*(?:password|passwd|passphrase|api_?key|secret_?key|access_?key|private_?key)["']?\s?:\s+["']?)[^\s"',}]{4,}"#,
        "$1***",
    ),
    // https://github.blog/engineering/behind-githubs-new-authentication-token-formats/
    token(r"\bgh[oprsu]_\w{16,}|\bgithub_pat_\w{16,}"),
    // https://docs.gitlab.com/security/tokens/#token-prefixes
    token(r"\bgl(?:pat|oas|dt|rt|rtr|cbt|ptt|ft|imt|agent|soat|wt|ffct)-[\w-]{16,}"),
    // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-prefixes
    token(r"\b(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}\b"),
    // gitleaks: gcp-api-key, and the access tokens and client secrets of Google.
    token(r"\bAIza[\w-]{30,}|\bya29\.[\w.-]{16,}|\bGOCSPX-[\w-]{16,}"),
    // gitleaks: azure-ad-client-secret.
    token(r"\b\w{3}\dQ~[\w.~-]{31,34}"),
    // https://docs.slack.dev/authentication/tokens
    token(r"\bx(?:ox[a-z]|app)-[\w-]{8,}"),
    // https://docs.stripe.com/keys
    token(r"\b(?:[rs]k_(?:live|test|prod)|whsec)_\w{8,}"),
    // https://docs.npmjs.com/about-access-tokens, https://pypi.org/help/#apitoken, crates.io, https://guides.rubygems.org/api-key-scopes
    token(r"\bnpm_\w{30,}|\bpypi-[\w-]{16,}|\bcio[a-zA-Z0-9]{32}\b|\brubygems_[0-9a-f]{40,}"),
    // https://docs.docker.com/security/access-tokens/
    token(r"\bdckr_(?:pat|oat)_[\w-]{16,}"),
    // RFC 7519: JSON Web Tokens.
    token(r"\beyJ[\w-]{6,}\.[\w-]{6,}\.[\w-]*"),
    // https://developer.hashicorp.com/vault/docs/concepts/tokens; gitleaks: hashicorp-tf-api-token.
    token(r"\bhv[sbr]\.[\w-]{16,}|\bs\.[A-Za-z0-9]{24}\b|\b[A-Za-z0-9]{14}\.atlasv1\.[\w-]{40,}"),
    // gitleaks: digitalocean-pat, heroku-api-key-v2, flyio-access-token, planetscale-api-token.
    token(
        r"\bdo[opr]_v1_[0-9a-f]{32,}|\bHRKU-[\w-]{30,}|\bfo1_[\w-]{20,}|\bfm\d[rar]?_[\w+/=-]{20,}|\bpscale_\w+_[\w.-]{20,}",
    ),
    // gitleaks: supabase, neon, databricks-api-token, doppler-api-token, pulumi-api-token.
    token(
        r"\bsb[pv]_[0-9a-f]{32,}|\bnapi_\w{32,}|\bdapi[0-9a-f]{32}\b|\bdp\.(?:pt|st|ct|sa)\.\w{16,}|\bpul-[0-9a-f]{32,}",
    ),
    // gitleaks: sendgrid-api-token, mailgun-private-api-token, twilio-api-key.
    token(r"\bSG\.[\w-]{16,}\.[\w-]{16,}|\bkey-[0-9a-f]{32}\b|\bSK[0-9a-f]{32}\b"),
    // gitleaks: grafana-service-account-token, new-relic-user-api-key, sentry-org-token, dynatrace-api-token, datadog.
    token(
        r"\bgl(?:sa|c)_[\w+/=-]{20,}|\bNRAK-[A-Z0-9]{20,}|\bsntry[su]_[\w+/=-]{20,}|\bdt0c01\.\w{20,}\.\w{20,}",
    ),
    // gitleaks: openai-api-key, anthropic-api-key, huggingface-access-token.
    token(r"\bsk-(?:proj|ant|svcacct|admin)?-?[\w-]{20,}|\bhf_[A-Za-z]{30,}"),
    // gitleaks: shopify, square, linear-api-key, postman-api-token, atlassian-api-token.
    token(
        r"\bshp(?:at|ca|pa|ss)_[0-9a-f]{32}|\bsq0[a-z]{3}-[\w-]{20,}|\blin_api_\w{30,}|\bPMAK-[\w-]{30,}|\bATATT3[\w=-]{30,}",
    ),
    // gitleaks: age-secret-key, tailscale, 1password-service-account-token.
    token(r"\bAGE-SECRET-KEY-1[A-Z0-9]{20,}|\btskey-[\w-]{16,}|\bops_eyJ[\w+/=-]{30,}"),
    // gitleaks: facebook-access-token, twitter-bearer-token.
    token(r"\bEAA[MC][A-Za-z0-9]{60,}|\bA{22}[\w%]{80,}"),
    // RFC 7468: the beginning and the base64 of a private key on one line.
    form(r"(-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----)[^-]+", "$1***"),
];
