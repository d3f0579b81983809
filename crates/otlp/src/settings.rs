//! The variables of the specification: <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>.

use std::path::Path;
use std::time::Duration;

use common::fs::bounded;
use common::http::parse_url;
use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use url::Url;

use crate::error::SettingsError;
use crate::resource::ResourceSettings;
use crate::target::{Encoding, Signal, Target};
use crate::temporality::Temporality;

/// The default of `OTEL_EXPORTER_OTLP_TIMEOUT`.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The endpoint of all signals.
const COMMON: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// The largest file of certificates.
const MAX_PEM_BYTES: u64 = 1024 * 1024;

/// Where traces, logs and metrics are sent, and what they say about their source.
#[derive(Debug, Clone)]
pub struct Settings {
    /// At most one target for each signal.
    pub targets: Vec<Target>,
    /// What counters send.
    pub temporality: Temporality,
    /// What is said about the source.
    pub resource: ResourceSettings,
}

/// Returns the value of a variable. An empty one is as good as none.
type Env<'a> = dyn Fn(&str) -> Option<String> + 'a;

impl Settings {
    /// The settings in the environment; `None` if no endpoint is set, or `OTEL_SDK_DISABLED` is true.
    ///
    /// # Errors
    /// A variable has a value that cannot be used, or a file that it names cannot be read.
    pub fn from_env(env: &Env<'_>) -> Result<Option<Self>, SettingsError> {
        if env("OTEL_SDK_DISABLED").is_some_and(|value| value.trim().eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let mut targets = Vec::new();
        for signal in Signal::ALL {
            targets.extend(target(signal, env)?);
        }
        if targets.is_empty() {
            return Ok(None);
        }
        let (temporality, resource) = (Temporality::from_env(env)?, ResourceSettings::from_env(env)?);
        Ok(Some(Self { targets, temporality, resource }))
    }
}

/// Where the data of a signal are sent, if they are.
fn target(signal: Signal, env: &Env<'_>) -> Result<Option<Target>, SettingsError> {
    let Some(url) = url(signal, env)? else { return Ok(None) };
    if !is_exported(signal, env)? {
        return Ok(None);
    }
    Ok(Some(Target {
        signal,
        url,
        headers: with(signal, "HEADERS", env, headers)?.unwrap_or_default(),
        timeout: with(signal, "TIMEOUT", env, timeout)?.unwrap_or(TIMEOUT),
        is_compressed: with(signal, "COMPRESSION", env, compression)?.unwrap_or_default(),
        encoding: with(signal, "PROTOCOL", env, encoding)?.unwrap_or_default(),
        certificates: with(signal, "CERTIFICATE", env, file)?,
        identity: identity(signal, env)?,
    }))
}

/// The endpoint of the signal as it is, or the common one with the path of the signal.
fn url(signal: Signal, env: &Env<'_>) -> Result<Option<Url>, SettingsError> {
    let own = format!("OTEL_EXPORTER_OTLP_{}_ENDPOINT", signal.as_str().to_uppercase());
    let parse = |variable: &str, text: String| {
        parse_url(text.trim()).map_err(|_| SettingsError::new(variable, "is not an http or https URL"))
    };
    if let Some(text) = env(&own) {
        return parse(&own, text).map(Some);
    }
    let Some(text) = env(COMMON) else { return Ok(None) };
    let mut url = parse(COMMON, text)?;
    let path = format!("{}/v1/{}", url.path().trim_end_matches('/'), signal.as_str());
    url.set_path(&path);
    Ok(Some(url))
}

/// Whether the signal is exported by OTLP: `otlp`, the default, or `none`.
fn is_exported(signal: Signal, env: &Env<'_>) -> Result<bool, SettingsError> {
    let variable = format!("OTEL_{}_EXPORTER", signal.as_str().to_uppercase());
    let Some(value) = env(&variable) else { return Ok(true) };
    let names: Vec<&str> = value.split(',').map(str::trim).collect();
    match names.as_slice() {
        ["none"] => Ok(false),
        names if names.contains(&"otlp") => Ok(true),
        _ => Err(SettingsError::new(&variable, "must be otlp or none")),
    }
}

/// The value of a variable of the signal, otherwise of the common one.
fn with<T>(
    signal: Signal,
    name: &str,
    env: &Env<'_>,
    parse: fn(&str) -> Result<T, String>,
) -> Result<Option<T>, SettingsError> {
    let own = format!("OTEL_EXPORTER_OTLP_{}_{name}", signal.as_str().to_uppercase());
    let common = format!("OTEL_EXPORTER_OTLP_{name}");
    let Some((variable, text)) = [own, common].into_iter().find_map(|it| env(&it).map(|text| (it, text)))
    else {
        return Ok(None);
    };
    parse(text.trim()).map(Some).map_err(|problem| SettingsError::new(&variable, problem))
}

/// `name=value,other=value`, as W3C Baggage: the values are percent-encoded.
fn headers(text: &str) -> Result<Vec<(String, SecretString)>, String> {
    const PROBLEM: &str = "is not a list such as name=value,other=value";
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').ok_or(PROBLEM)?;
            let value = percent_decode_str(value.trim()).decode_utf8().map_err(|_| PROBLEM)?;
            let name = name.trim();
            let is_name = http::HeaderName::from_bytes(name.as_bytes()).is_ok();
            let is_value = http::HeaderValue::from_str(&value).is_ok();
            if is_name && is_value {
                Ok((name.to_owned(), value.into_owned().into()))
            } else {
                Err(PROBLEM.to_owned())
            }
        })
        .collect()
}

fn timeout(text: &str) -> Result<Duration, String> {
    let milliseconds = text.parse().ok().filter(|milliseconds| *milliseconds > 0);
    milliseconds.map(Duration::from_millis).ok_or_else(|| "is not a number of milliseconds".to_owned())
}

fn compression(text: &str) -> Result<bool, String> {
    match text {
        "gzip" => Ok(true),
        "none" => Ok(false),
        _ => Err("must be gzip or none".to_owned()),
    }
}

fn encoding(text: &str) -> Result<Encoding, String> {
    match text {
        "http/protobuf" => Ok(Encoding::Protobuf),
        "http/json" => Ok(Encoding::Json),
        "grpc" => {
            Err("is grpc, which is not supported: set http/protobuf, and the port for HTTP, often 4318"
                .to_owned())
        }
        _ => Err("must be http/protobuf or http/json".to_owned()),
    }
}

fn file(path: &str) -> Result<Vec<u8>, String> {
    bounded::read_regular(Path::new(path), MAX_PEM_BYTES)
        .map_err(|error| format!("names a file that cannot be read: {error}"))
}

fn identity(signal: Signal, env: &Env<'_>) -> Result<Option<SecretString>, SettingsError> {
    let certificate = with(signal, "CLIENT_CERTIFICATE", env, file)?;
    let key = with(signal, "CLIENT_KEY", env, file)?;
    let problem = || {
        SettingsError::new("OTEL_EXPORTER_OTLP_CLIENT_KEY", "and …_CLIENT_CERTIFICATE are needed together")
    };
    let (certificate, key) = match (certificate, key) {
        (None, None) => return Ok(None),
        (Some(certificate), Some(key)) => (certificate, key),
        _ => return Err(problem()),
    };
    let pem = [key, b"\n".to_vec(), certificate].concat();
    let pem = String::from_utf8(pem).map_err(|_| problem())?;
    Ok(Some(pem.into()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use secrecy::ExposeSecret as _;

    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<Option<Settings>, SettingsError> {
        let variables: HashMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Settings::from_env(&|name| variables.get(name).filter(|value| !value.is_empty()).cloned())
    }

    fn urls(variables: &[(&str, &str)]) -> Vec<String> {
        let settings = settings(variables).unwrap();
        settings
            .map(|it| it.targets.iter().map(|target| target.url.to_string()).collect())
            .unwrap_or_default()
    }

    #[test]
    fn the_common_endpoint_gets_the_path_of_the_signal_and_its_own_none() {
        const COMMON: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
        const TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
        assert_eq!(urls(&[]), Vec::<String>::new());
        let all = |base: &str| ["traces", "logs", "metrics"].map(|signal| format!("{base}/v1/{signal}"));
        assert_eq!(urls(&[(COMMON, "http://h:4318")]), all("http://h:4318"));
        assert_eq!(urls(&[(COMMON, "https://h/otlp/")]), all("https://h/otlp"));
        assert_eq!(urls(&[(TRACES, "http://h/in")]), ["http://h/in"]);
        let [_, logs, metrics] = all("http://a");
        assert_eq!(urls(&[(COMMON, "http://a"), (TRACES, "http://b/")]), ["http://b/", &logs, &metrics]);
        assert_eq!(urls(&[(COMMON, "http://h"), ("OTEL_SDK_DISABLED", "TRUE")]), Vec::<String>::new());
        let no_logs = [(COMMON, "http://h"), ("OTEL_LOGS_EXPORTER", "none")];
        assert_eq!(urls(&no_logs), ["http://h/v1/traces", "http://h/v1/metrics"]);
        assert_eq!(urls(&[(COMMON, "")]), Vec::<String>::new());
    }

    #[test]
    fn a_signal_s_own_variable_wins() {
        let settings = settings(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%2Cb, x = y"),
            ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "api-key=logs"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1500"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ]);
        let settings = settings.unwrap().unwrap();
        let [traces, logs, _] = settings.targets.as_slice() else { panic!("{settings:?}") };
        let header = |target: &Target| target.headers[0].1.expose_secret().to_owned();
        assert_eq!((header(traces), header(logs)), ("a,b".to_owned(), "logs".to_owned()));
        assert_eq!((traces.headers.len(), traces.timeout), (2, Duration::from_millis(1500)));
        assert_eq!((traces.encoding, logs.encoding), (Encoding::Json, Encoding::Protobuf));
        assert!(traces.is_compressed && logs.is_compressed);
        assert!(!format!("{settings:?}").contains("a,b"));
    }

    #[test]
    fn a_wrong_value_is_an_error_that_does_not_contain_it() {
        for (name, value, problem) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4317", "is not an http or https URL"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "not supported: set http/protobuf"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "s3cret", "is not a list"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=s3cret%0Ab", "is not a list"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "is not a number of milliseconds"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "must be gzip or none"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere", "cannot be read"),
            ("OTEL_TRACES_EXPORTER", "console", "must be otlp or none"),
            ("OTEL_RESOURCE_ATTRIBUTES", "s3cret", "is not a list"),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "s3cret", "must be cumulative, delta or"),
        ] {
            let error = settings(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h"), (name, value)]).unwrap_err();
            let error = error.to_string();
            assert!(error.starts_with(name) && error.contains(problem), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
