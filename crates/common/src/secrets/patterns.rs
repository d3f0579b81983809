//! Forms of secrets in text, whatever their values are.

use std::borrow::Cow;

use regex_lite::Regex;

use super::forms::{FORMS, Form};
use super::pairs;

/// Secrets of a known form.
#[derive(Clone)]
pub(super) struct Patterns {
    forms: Vec<(&'static Form, Regex)>,
}

impl Patterns {
    pub(super) fn new() -> Self {
        let forms = FORMS.iter().filter_map(|form| Some((form, Regex::new(form.pattern).ok()?)));
        Self { forms: forms.collect() }
    }

    /// The text with every secret of a known form replaced.
    pub(super) fn redact(&self, text: &str) -> String {
        let possible: Vec<_> = {
            let lower = text.to_ascii_lowercase();
            self.forms.iter().filter(|(form, _)| form.is_possible(text, &lower)).collect()
        };
        let mut text = text.to_owned();
        for (form, pattern) in possible {
            if let Cow::Owned(replaced) = pattern.replace_all(&text, form.by) {
                text = replaced;
            }
        }
        pairs::mask(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_a_valid_pattern() {
        for form in FORMS {
            assert!(Regex::new(form.pattern).is_ok(), "{}", form.pattern);
        }
    }

    #[test]
    fn secrets_of_a_known_form_are_masked() {
        let patterns = Patterns::new();
        for (text, expected) in [
            ("postgres://u:p4ss@db/x http://h:80/", "postgres://u:***@db/x http://h:80/"),
            ("postgres://u:p/s:s@E@h/db.", "postgres://u:***@h/db."),
            ("https://0123abcd@o1.ingest.sentry.io/1", "https://***@o1.ingest.sentry.io/1"),
            ("ssh://git@host/x https://h/@scope", "ssh://git@host/x https://h/@scope"),
            ("GET /x?a=1&access_token=abc&b=2 ok", "GET /x?a=1&access_token=***&b=2 ok"),
            ("https://h/x?token=abc#f", "https://h/x?token=***#f"),
            ("AccountName=me;AccountKey=ab+c/d==;Suffix=x", "AccountName=me;AccountKey=***;Suffix=x"),
            ("Server=h;User Id=u;Password=p w;Pwd=\"a b\"", "Server=h;User Id=u;Password=*** w;Pwd=***"),
            ("mysql --password=abc -u x", "mysql --password=*** -u x"),
            (r#"{"user":"u","password":"abc def","n":1}"#, r#"{"user":"u","password":***,"n":1}"#),
            ("Authorization: Basic dXNlcjpwdw== x", "Authorization: Basic *** x"),
            ("curl -H 'authorization: Bearer abcdefg'", "curl -H 'authorization: Bearer ***'"),
            ("https://hooks.slack.com/services/T0/B0/abc", "https://hooks.slack.com/***"),
            ("ghp_0123456789abcdefXYZ glpat-0123456789abcdefgh", "*** ***"),
            (
                "AKIAIOSFODNN7EXAMPLE glsa_0123456789abcdefghij_01234567 hvs.CAESIJ0123456789abcd",
                "*** *** ***",
            ),
            ("x-vault-token: s3cr3t! cookie: sid=1234", "x-vault-token: *** cookie: ***"),
            ("mysql --password hunter2 -h db", "mysql --password *** -h db"),
            ("docker login --token -h", "docker login --token -h"),
            ("curl -u ada:hunter2 http://h/", "curl -u ada:*** http://h/"),
            ("curl -u'ada:a b' --proxy-user \"p:c d\" x", "curl -u'ada:***' --proxy-user \"p:***\" x"),
            ("t --db-password 'a \"b' --adminPassword=c x", "t --db-password *** --adminPassword=*** x"),
            ("t --pass \"a\\\"b c\" --pwd a\\ b -h", "t --pass *** --pwd *** -h"),
            ("t --no-password --token-file x", "t --no-password --token-file x"),
            ("+ mysql -uroot -phunter2 -e 'select 1'", "+ mysql -uroot -p*** -e 'select 1'"),
            ("mysqldump -p'a b'\"c\" --protocol tcp shop", "mysqldump -p*** --protocol tcp shop"),
            ("mariadb-dump shop '-phunter2'", "mariadb-dump shop '-p***"),
            ("mysql -p shop", "mysql -p shop"),
            ("docker login -u ada -p hunter2 registry", "docker login -u ada -p *** registry"),
            ("sshpass -phunter2 ssh -p 22 host", "sshpass -p*** ssh -p 22 host"),
            ("mongosh -u ada -p 'a b' db", "mongosh -u ada -p *** db"),
            ("sqlcmd -U sa -P 'Pass w0rd' -Q x", "sqlcmd -U sa -P *** -Q x"),
            ("redis-cli -h r -a hunter2 ping", "redis-cli -h r -a *** ping"),
            ("ldapsearch -D cn=x -w hunter2", "ldapsearch -D cn=x -w ***"),
            ("openssl rsa -passin pass:hunter2 -in k", "openssl rsa -passin pass:*** -in k"),
            ("db_password: hunter2", "db_password: ***"),
            ("client_secret: hunter2", "client_secret: ***"),
            ("LINE 1: create role x password 'it''s' login", "LINE 1: create role x password *** login"),
            ("alter role x encrypted password 'cut o", "alter role x encrypted password ***"),
            ("create user x identified by 'hunter2'@", "create user x identified by ***@"),
            ("identified with sha2 by 'hunter2'", "identified with sha2 by ***"),
            ("machine h login ada password hunter2", "machine h login ada password ***"),
            ("the password is wrong", "the password is wrong"),
            ("Enter passphrase: correct-horse", "Enter passphrase: ***"),
            (
                "-----BEGIN RSA PRIVATE KEY-----MIIEow-----END RSA PRIVATE KEY-----",
                "-----BEGIN RSA PRIVATE KEY-----***-----END RSA PRIVATE KEY-----",
            ),
            (
                "FATAL:  password authentication failed for user \"ada\"",
                "FATAL:  password authentication failed for user \"ada\"",
            ),
            ("unexpected token: identifier", "unexpected token: identifier"),
            ("a = 1, b: 2; the token is missing", "a = 1, b: 2; the token is missing"),
        ] {
            assert_eq!(patterns.redact(text), expected);
            for (form, pattern) in &patterns.forms {
                let is_possible = form.is_possible(text, &text.to_ascii_lowercase());
                assert!(is_possible || !pattern.is_match(text), "{}: {text}", form.pattern);
            }
        }
    }
}
