//! The targets of a file, in TOML with the words of a suite of `dm-smoke`: each with headers and expectations of its own.

use std::path::Path;

use anyhow::{Result, bail};
use chrono::TimeDelta;
use common::secrets::Redactor;
use dm_smoke::{Table, TableExpectation, TableFile, TableRequest, read_tables};

use crate::address::{Address, NamedAddress};
use crate::args::{TOOL, check_method};
use crate::expectations::Expectations;
use crate::request_header::RequestHeader;
use crate::target_spec::TargetSpec;
use crate::version::{self, ExpectedVersion, VersionLocation};

/// What a probe does not find out: it follows no redirects, and compares no file.
const UNKNOWN: [&str; 6] = ["body_file", "certificate", "http_version", "message", "redirects", "url"];

/// The targets of the file. `version_at` is for those that do not say where responses contain their version.
///
/// # Errors
/// The file cannot be read or is not valid, or it has no target.
pub(crate) fn read(
    path: &Path,
    is_check: bool,
    version_at: Option<&VersionLocation>,
) -> Result<Vec<TargetSpec>> {
    if path.to_string_lossy().contains("://") {
        // It may contain a password.
        bail!("an argument without a flag is a file of targets; to probe a URL, use --url");
    }
    let file = TableFile { path, array: "target", tool: TOOL.name, is_check };
    let read = read_tables(file, |table| target(table, version_at))?;
    if !read.tables.iter().any(|spec| !spec.is_control) {
        bail!("{}: there is no [[target]] that is not in the control group", path.display());
    }
    Ok(read.tables.into_iter().map(|spec| TargetSpec { secrets: read.secrets.clone(), ..spec }).collect())
}

fn target(table: &mut Table<'_, '_>, default_version_at: Option<&VersionLocation>) -> Option<TargetSpec> {
    let name = table.parsed("name", str::parse);
    let address = table.required("url", str::parse::<Address>);
    let is_control = table.flag("control");
    let timeout = table.duration("timeout");
    let tls = table.tls();
    let has_headers = table.has_headers();
    let TableRequest { method, headers } = table.request();
    let TableExpectation { response, max_latency } = table.expectation(&UNKNOWN);
    let version = table.parsed("version", version::parse);
    let own_version_at = table.parsed("version_at", str::parse::<VersionLocation>);
    let min_cert_days = table.count("min_cert_days");
    let address = address?;
    if !address.is_http() && (method.is_some() || !response.is_only_success()) {
        table.reject("only http:// and https:// take a method, and have a status, headers and a body");
    }
    if has_headers && !address.takes_headers() {
        table.reject("only http://, https://, grpc:// and grpcs:// take headers");
    }
    if tls.is_some() && !address.is_tls() {
        table.reject("tls only applies to TLS, such as https:// and grpcs://, and not to mysql://");
    }
    if !address.is_http() && (version.is_some() || own_version_at.is_some()) {
        table.reject("only http:// and https:// have a version");
    }
    if let Some(Err(error)) = method.as_ref().map(check_method) {
        table.reject(error);
    }
    if min_cert_days.is_some() && !address.is_tls() {
        table.reject("min_cert_days only applies to TLS, such as https:// and grpcs://");
    }
    if is_control && version.is_some() {
        table.reject("no version is expected of the control group");
    }
    let is_word = matches!(own_version_at, Some(VersionLocation::Word));
    if is_word && version.is_none() {
        table.reject("version_at = \"body\" needs a version");
    }
    let version_at = own_version_at.or_else(|| default_version_at.filter(|_| address.is_http()).cloned());
    let location = version_at.clone().unwrap_or(VersionLocation::Word);
    let expected = Expectations {
        response,
        version: version.map(|expected| ExpectedVersion { expected, location }),
        min_certificate_life: min_cert_days.map(|days| TimeDelta::days(days.into())),
        max_latency,
        ..Expectations::default()
    };
    let headers = headers.into_iter().map(|(name, value)| RequestHeader { name, value });
    Some(TargetSpec {
        named: NamedAddress { name, address },
        is_control,
        method,
        headers: headers.collect(),
        timeout,
        tls,
        expected,
        version_at,
        secrets: Redactor::default(),
        renaming: "name = \"{name}\" for {target}",
    })
}
