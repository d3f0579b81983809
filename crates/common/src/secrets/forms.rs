//! The forms of secrets that their issuers document, as a table with the source of each. The rules of gitleaks are at
//! <https://github.com/gitleaks/gitleaks/blob/master/config/gitleaks.toml>. They find secrets in source code; here a secret that
//! is shown is worse than a word that is masked, so lengths are lower limits.

/// A part of a word of a shell: in quotes, which may have no end, or not.
macro_rules! part {
    () => {
        r#"(?:"(?:[^"\\]|\\.)*"?|'[^']*'?|\\.|[^\s"'\\])"#
    };
}

/// The first part of a word that is no flag.
macro_rules! first_part {
    () => {
        r#"(?:"(?:[^"\\]|\\.)*"?|'[^']*'?|[^\s"'-])"#
    };
}

/// A form of a secret.
pub(super) struct Form {
    /// Matches the secret. It has a group before it, or none; a group after it, or none.
    pub(super) pattern: &'static str,
    /// What replaces it.
    pub(super) by: &'static str,
    /// Every match contains one of these: in lower case if the pattern ignores case. Most texts contain none, and a search for
    /// words is much faster than one for a pattern.
    pub(super) hints: &'static [&'static str],
}

const fn form(hints: &'static [&'static str], pattern: &'static str, by: &'static str) -> Form {
    Form { pattern, by, hints }
}

/// A token that is a secret as a whole.
const fn token(hints: &'static [&'static str], pattern: &'static str) -> Form {
    form(hints, pattern, "***")
}

impl Form {
    /// Whether the pattern can match at all. `lower` is the text in lower case.
    pub(super) fn is_possible(&self, text: &str, lower: &str) -> bool {
        let text = if self.pattern.starts_with("(?i)") { lower } else { text };
        self.hints.iter().any(|hint| text.contains(hint))
    }
}

/// The forms, in the order in which they are replaced.
pub(super) static FORMS: &[Form] = &[
    // RFC 3986, section 3.2.1: a user and a password in a URL. The password may contain : / and @, so the last @ counts.
    form(&["://"], r#"(://[^/@:?#\s]*:)[^\s"'<>]+(@)"#, "$1***$2"),
    // A user alone may be a token. `git` is none.
    form(&["://"], r"(://)(?:[^/@:?#\s]{4,})(@)", "$1***$2"),
    // gitleaks: slack-webhook-url, microsoft-teams-webhook, telegram-bot-api-token. The path of a webhook is its secret.
    form(
        &["hooks.slack.com", "discord", "webhook.office.com", "api.telegram.org"],
        r"(?i)((?:hooks\.slack\.com|discord(?:app)?\.com/api|[\w.-]*webhook\.office\.com|api\.telegram\.org)/)[^\s]+",
        "$1***",
    ),
    // RFC 9110, section 11.6.2, and RFC 6750.
    form(
        &["bearer", "authorization:"],
        r"(?i)\b(bearer\s+|authorization:\s*\w+\s+)[A-Za-z0-9._~+/=-]{6,}",
        "$1***",
    ),
    // Headers that are credentials by their name: RFC 6265 and the conventions of APIs.
    form(
        &["cookie:", "x-"],
        r#"(?i)\b((?:set-)?cookie:\s*|x-[\w-]*(?:key|token|secret|auth)[\w-]*:\s*)[^\s"']+"#,
        "$1***",
    ),
    // gitleaks: curl-auth-user, and the flags of mysql, psql, docker login and others. The value is a word of a shell.
    form(
        &["passw", "passphrase", "secret", "key", "token"],
        concat!(
            r#"(?i)(--?[\w-]*(?:password|passwd|passphrase|secret|api-?key|access-?key|secret-?key|private-?key|token)\s+)"#,
            first_part!(),
            part!(),
            "*"
        ),
        "$1***",
    ),
    form(
        &["-pass", "-pwd"],
        concat!(r#"(?i)(--?(?:[\w-]*-)?(?:pass|pwd)\s+)"#, first_part!(), part!(), "*"),
        "$1***",
    ),
    form(&["-u"], r#"(\s(?:-u|--user|--proxy-user)[\s=]*"[^\s:"']+:)[^"]+"#, "$1***"),
    form(&["-u"], r#"(\s(?:-u|--user|--proxy-user)[\s=]*'[^\s:"']+:)[^']+"#, "$1***"),
    form(&["-u"], r#"(\s(?:-u|--user|--proxy-user)[\s=]*[^\s:"'=]+:)[^\s"']+"#, "$1***"),
    // Short flags, by program. That of MySQL is one word with its value: https://dev.mysql.com/doc/refman/8.4/en/password-security-user.html
    form(
        &["mysql", "mariadb"],
        concat!(r#"(\b(?:mysql|mariadb)[\w-]*\s(?:[^|;&\n]*?\s)??["']?-p)"#, part!(), "+"),
        "$1***",
    ),
    form(
        &["login", "mongo", "sshpass", "7z"],
        concat!(r#"(\b(?:login|mongo\w*|sshpass|7z\w*)\s(?:[^|;&\n]*?\s)??-p[\s=]*)"#, part!(), "+"),
        "$1***",
    ),
    form(
        &["sqlcmd", "bcp", "zip"],
        concat!(r#"(\b(?:sqlcmd|bcp|zip|unzip)\s(?:[^|;&\n]*?\s)??-P\s*)"#, part!(), "+"),
        "$1***",
    ),
    form(
        &["redis-cli", "valkey-cli"],
        concat!(r#"(\b(?:redis|valkey)-cli\s(?:[^|;&\n]*?\s)??-a\s+)"#, part!(), "+"),
        "$1***",
    ),
    form(&["ldap"], concat!(r#"(\bldap\w+\s(?:[^|;&\n]*?\s)??-w\s*)"#, part!(), "+"), "$1***"),
    // https://docs.openssl.org/master/man1/openssl-passphrase-options/
    form(&["pass:"], concat!(r#"(-pass(?:in|out)?\s+["']?pass:)"#, part!(), "+"), "$1***"),
    // A prompt or a line of YAML. "token: unexpected" is no secret, so only what is never a word of a message.
    form(
        &["passw", "passphrase", "key", "client"],
        r#"(?i)\b([\w.-]*(?:password|passwd|passphrase|api_?key|secret_?key|access_?key|private_?key|client_?secret)["']?\s?:\s+["']?)[^\s"',}]{4,}"#,
        "$1***",
    ),
    // The SQL of PostgreSQL and MySQL: CREATE ROLE … PASSWORD '…', IDENTIFIED BY '…'.
    form(
        &["password", "identified"],
        r"(?i)(\bpassword\s+|\bidentified\s+(?:with\s+\S+\s+)?by\s+(?:password\s+)?)'(?:[^']|'')*(?:'|$)",
        "$1***",
    ),
    // https://everything.curl.dev/usingcurl/netrc.html
    form(&["login"], r"(?i)(\blogin\s+\S+\s+password\s+)\S+", "$1***"),
    // https://github.blog/engineering/behind-githubs-new-authentication-token-formats/
    token(
        &["gho_", "ghp_", "ghr_", "ghs_", "ghu_", "github_pat_"],
        r"\bgh[oprsu]_\w{16,}|\bgithub_pat_\w{16,}",
    ),
    // https://docs.gitlab.com/security/tokens/#token-prefixes
    token(&["gl"], r"\bgl(?:pat|oas|dt|rt|rtr|cbt|ptt|ft|imt|agent|soat|wt|ffct)-[\w-]{16,}"),
    // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-prefixes
    token(&["AKIA", "ASIA", "ABIA", "ACCA"], r"\b(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}\b"),
    // gitleaks: gcp-api-key, and the access tokens and client secrets of Google.
    token(&["AIza", "ya29.", "GOCSPX-"], r"\bAIza[\w-]{30,}|\bya29\.[\w.-]{16,}|\bGOCSPX-[\w-]{16,}"),
    // gitleaks: azure-ad-client-secret.
    token(&["Q~"], r"\b\w{3}\dQ~[\w.~-]{31,34}"),
    // https://docs.slack.dev/authentication/tokens
    token(&["xox", "xapp-"], r"\bx(?:ox[a-z]|app)-[\w-]{8,}"),
    // https://docs.stripe.com/keys
    token(&["k_live_", "k_test_", "k_prod_", "whsec_"], r"\b(?:[rs]k_(?:live|test|prod)|whsec)_\w{8,}"),
    // https://docs.npmjs.com/about-access-tokens, https://pypi.org/help/#apitoken, crates.io, https://guides.rubygems.org/api-key-scopes
    token(
        &["npm_", "pypi-", "cio", "rubygems_"],
        r"\bnpm_\w{30,}|\bpypi-[\w-]{16,}|\bcio[a-zA-Z0-9]{32}\b|\brubygems_[0-9a-f]{40,}",
    ),
    // https://docs.docker.com/security/access-tokens/
    token(&["dckr_"], r"\bdckr_(?:pat|oat)_[\w-]{16,}"),
    // RFC 7519: JSON Web Tokens.
    token(&["eyJ"], r"\beyJ[\w-]{6,}\.[\w-]{6,}\.[\w-]*"),
    // https://developer.hashicorp.com/vault/docs/concepts/tokens; gitleaks: hashicorp-tf-api-token.
    token(
        &["hvs.", "hvb.", "hvr.", "s.", ".atlasv1."],
        r"\bhv[sbr]\.[\w-]{16,}|\bs\.[A-Za-z0-9]{24}\b|\b[A-Za-z0-9]{14}\.atlasv1\.[\w-]{40,}",
    ),
    // gitleaks: digitalocean-pat, heroku-api-key-v2, flyio-access-token, planetscale-api-token.
    token(
        &["o_v1_", "p_v1_", "r_v1_", "HRKU-", "fo1_", "fm", "pscale_"],
        r"\bdo[opr]_v1_[0-9a-f]{32,}|\bHRKU-[\w-]{30,}|\bfo1_[\w-]{20,}|\bfm\d[rar]?_[\w+/=-]{20,}|\bpscale_\w+_[\w.-]{20,}",
    ),
    // gitleaks: supabase, neon, databricks-api-token, doppler-api-token, pulumi-api-token.
    token(
        &["sbp_", "sbv_", "napi_", "dapi", "dp.", "pul-"],
        r"\bsb[pv]_[0-9a-f]{32,}|\bnapi_\w{32,}|\bdapi[0-9a-f]{32}\b|\bdp\.(?:pt|st|ct|sa)\.\w{16,}|\bpul-[0-9a-f]{32,}",
    ),
    // gitleaks: sendgrid-api-token, mailgun-private-api-token, twilio-api-key.
    token(&["SG.", "key-", "SK"], r"\bSG\.[\w-]{16,}\.[\w-]{16,}|\bkey-[0-9a-f]{32}\b|\bSK[0-9a-f]{32}\b"),
    // gitleaks: grafana-service-account-token, new-relic-user-api-key, sentry-org-token, dynatrace-api-token, datadog.
    token(
        &["glsa_", "glc_", "NRAK-", "sntrys_", "sntryu_", "dt0c01."],
        r"\bgl(?:sa|c)_[\w+/=-]{20,}|\bNRAK-[A-Z0-9]{20,}|\bsntry[su]_[\w+/=-]{20,}|\bdt0c01\.\w{20,}\.\w{20,}",
    ),
    // gitleaks: openai-api-key, anthropic-api-key, huggingface-access-token.
    token(&["sk-", "hf_"], r"\bsk-(?:proj|ant|svcacct|admin)?-?[\w-]{20,}|\bhf_[A-Za-z]{30,}"),
    // gitleaks: shopify, square, linear-api-key, postman-api-token, atlassian-api-token.
    token(
        &["shpat_", "shpca_", "shppa_", "shpss_", "sq0", "lin_api_", "PMAK-", "ATATT3"],
        r"\bshp(?:at|ca|pa|ss)_[0-9a-f]{32}|\bsq0[a-z]{3}-[\w-]{20,}|\blin_api_\w{30,}|\bPMAK-[\w-]{30,}|\bATATT3[\w=-]{30,}",
    ),
    // gitleaks: age-secret-key, tailscale, 1password-service-account-token.
    token(
        &["AGE-SECRET-KEY-1", "tskey-", "ops_eyJ"],
        r"\bAGE-SECRET-KEY-1[A-Z0-9]{20,}|\btskey-[\w-]{16,}|\bops_eyJ[\w+/=-]{30,}",
    ),
    // gitleaks: facebook-access-token, twitter-bearer-token.
    token(&["EAAM", "EAAC", "AAAAAAAAAAAAAAAAAAAAAA"], r"\bEAA[MC][A-Za-z0-9]{60,}|\bA{22}[\w%]{80,}"),
    // RFC 7468: the beginning and the base64 of a private key on one line.
    form(&["-----BEGIN "], r"(-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----)[^-]+", "$1***"),
];
