//! The parameters of a connection, under libpq's names, from a URL or a string of keywords and values. What these leave
//! out comes from the service file, then from the environment, as with libpq.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use common::env::Env;
use common::fs::bounded::{self, MAX_SMALL_BYTES};
use percent_encoding::percent_decode_str;

/// libpq's variables, and the parameters that they set.
const VARIABLES: &[(&str, &str)] = &[
    ("PGHOST", "host"),
    ("PGHOSTADDR", "hostaddr"),
    ("PGPORT", "port"),
    ("PGDATABASE", "dbname"),
    ("PGUSER", "user"),
    ("PGPASSWORD", "password"),
    ("PGPASSFILE", "passfile"),
    ("PGCONNECT_TIMEOUT", "connect_timeout"),
    ("PGTARGETSESSIONATTRS", "target_session_attrs"),
    ("PGSSLMODE", "sslmode"),
    ("PGSSLROOTCERT", "sslrootcert"),
    ("PGSSLCERT", "sslcert"),
    ("PGSSLKEY", "sslkey"),
];

/// The variables that name a database on their own.
const NAMING_VARIABLES: [&str; 3] = ["PGDATABASE", "PGHOST", "PGSERVICE"];

/// The folder of the system's service file, as Debian configures libpq.
const SYSTEM_FOLDER: &str = "/etc/postgresql-common";

/// The parameters by name; values are not empty.
#[derive(Clone, Default)]
pub(super) struct Parameters(BTreeMap<String, String>);

/// Whether the environment alone names a database.
pub(crate) fn are_in_environment(env: &Env<'_>) -> bool {
    NAMING_VARIABLES.iter().any(|name| env(name).is_some())
}

impl Parameters {
    /// Parses the part of a URL after its scheme. JDBC also writes the database alone.
    pub(super) fn from_url(rest: &str) -> Result<Self> {
        let invalid = "is not a valid URL: write postgres://USER:PASSWORD@HOST:PORT/DATABASE";
        let mut parameters = Self::default();
        let (location, query) = rest.split_once('?').unwrap_or((rest, ""));
        let Some(location) = location.strip_prefix("//") else {
            parameters.set("dbname", &decode(location.trim_start_matches('/')).context(invalid)?);
            parameters.add_query(query).context(invalid)?;
            return Ok(parameters);
        };
        let (authority, database) = location.split_once('/').unwrap_or((location, ""));
        let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        for (name, value) in [("user", user), ("password", password), ("dbname", database)] {
            parameters.set(name, &decode(value).context(invalid)?);
        }
        let (mut names, mut ports) = (Vec::new(), Vec::new());
        for host in hosts.split(',') {
            let (name, port) = split_port(host);
            names.push(decode(name.trim_matches(['[', ']'])).context(invalid)?);
            ports.push(port);
        }
        parameters.set("host", names.join(",").trim_matches(','));
        if ports.iter().any(|port| !port.is_empty()) {
            let default = |port: &&str| if port.is_empty() { "5432" } else { *port }.to_owned();
            parameters.set("port", &ports.iter().map(default).collect::<Vec<_>>().join(","));
        }
        parameters.add_query(query).context(invalid)?;
        Ok(parameters)
    }

    /// Parses libpq's `host=… dbname='…'`.
    pub(super) fn from_keywords(text: &str) -> Result<Self> {
        let invalid =
            "is not a valid string of keywords: write host=HOST port=PORT dbname=DATABASE user=USER";
        let mut parameters = Self::default();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (name, value) = rest.split_once('=').context(invalid)?;
            let value = value.trim_start();
            let is_quoted = value.starts_with('\'');
            let mut content = String::new();
            let mut chars = value.char_indices().skip(usize::from(is_quoted));
            let end = loop {
                match chars.next() {
                    None if is_quoted => bail!(invalid),
                    None => break value.len(),
                    Some((at, '\'')) if is_quoted => break at + 1,
                    Some((at, c)) if !is_quoted && c.is_whitespace() => break at,
                    Some((_, '\\')) => content.extend(chars.next().map(|(_, c)| c)),
                    Some((_, c)) => content.push(c),
                }
            };
            parameters.set(name.trim(), &content);
            rest = value.get(end..).unwrap_or_default().trim_start();
        }
        Ok(parameters)
    }

    /// Adds what is missing: from the service file if a service is named, then from the environment.
    pub(super) fn complete(&mut self, env: &Env<'_>) -> Result<()> {
        if let Some(service) = self.take("service").or_else(|| env("PGSERVICE")) {
            let found = service_files(env).into_iter().find_map(|file| read_service(&file, &service));
            let found = found.with_context(|| {
                format!("names the service {service}, which is in no service file: set PGSERVICEFILE")
            })?;
            found.0.into_iter().for_each(|(name, value)| self.set_default(&name, value));
        }
        for (variable, name) in VARIABLES {
            if let Some(value) = env(variable) {
                self.set_default(name, value);
            }
        }
        Ok(())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    fn set_default(&mut self, name: &str, value: String) {
        self.0.entry(name.to_owned()).or_insert(value);
    }

    fn set(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.0.insert(name.to_owned(), value.to_owned());
        }
    }

    fn add_query(&mut self, query: &str) -> Option<()> {
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            self.set(name, &decode(value)?);
        }
        Some(())
    }
}

fn decode(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// Splits a host of a URL into name and port; an IPv6 address is in brackets.
fn split_port(host: &str) -> (&str, &str) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port),
        _ => (host, ""),
    }
}

fn service_files(env: &Env<'_>) -> Vec<PathBuf> {
    let own = env("PGSERVICEFILE").map(PathBuf::from);
    let own = own.or_else(|| Some(PathBuf::from(env("HOME")?).join(".pg_service.conf")));
    let folder = env("PGSYSCONFDIR").unwrap_or_else(|| SYSTEM_FOLDER.to_owned());
    own.into_iter().chain([Path::new(&folder).join("pg_service.conf")]).collect()
}

fn read_service(file: &Path, service: &str) -> Option<Parameters> {
    let text = bounded::read_text(file, MAX_SMALL_BYTES).ok()?;
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| *line == format!("[{service}]"))?;
    let mut parameters = Parameters::default();
    for (name, value) in lines
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
    {
        parameters.set(name.trim(), value.trim());
    }
    Some(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_has(parameters: &Parameters, expected: &[(&str, &str)]) {
        let found: Vec<(&str, &str)> = parameters.0.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_url_is_split_as_by_libpq() {
        for (rest, expected) in [
            (
                "//u:p%40@h:5433/d",
                &[("dbname", "d"), ("host", "h"), ("password", "p@"), ("port", "5433"), ("user", "u")][..],
            ),
            ("///d", &[("dbname", "d")]),
            ("//", &[]),
            ("//[::1]:5433,b/d", &[("dbname", "d"), ("host", "::1,b"), ("port", "5433,5432")]),
            ("//%2Frun%2Fpg/d", &[("dbname", "d"), ("host", "/run/pg")]),
            (
                "///d?host=/run/pg&sslmode=require",
                &[("dbname", "d"), ("host", "/run/pg"), ("sslmode", "require")],
            ),
            ("app?user=u", &[("dbname", "app"), ("user", "u")]),
        ] {
            assert_has(&Parameters::from_url(rest).unwrap(), expected);
        }
    }

    #[test]
    fn keywords_are_parsed_as_by_libpq() {
        let parsed = Parameters::from_keywords(r"host = h dbname='my \'db' password=a\ b user=").unwrap();
        assert_has(&parsed, &[("dbname", "my 'db"), ("host", "h"), ("password", "a b")]);
        assert!(
            Parameters::from_keywords("dbname='d").is_err() && Parameters::from_keywords("words").is_err()
        );
    }

    #[test]
    fn the_service_comes_before_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("services");
        let text = "[other]\nhost=wrong\n[shop]\n# ours\nhost=db.internal\ndbname=shop\n[last]\nport=1\n";
        common::fs::atomic::write(&file, text.as_bytes()).unwrap();
        let env = |name: &str| match name {
            "PGSERVICEFILE" => Some(file.display().to_string()),
            "PGHOST" => Some("elsewhere".to_owned()),
            "PGPORT" => Some("5433".to_owned()),
            _ => None,
        };
        let mut parameters = Parameters::from_url("//u@/?service=shop").unwrap();
        parameters.complete(&env).unwrap();
        let expected = [("dbname", "shop"), ("host", "db.internal"), ("port", "5433"), ("user", "u")];
        assert_has(&parameters, &expected);
        let mut missing = Parameters::from_keywords("service=none").unwrap();
        assert!(missing.complete(&env).unwrap_err().to_string().contains("PGSERVICEFILE"));
    }
}
