//! The targets of `--url` and `--control-url`: all with the expectations of the other flags.

use anyhow::{Result, bail};
use chrono::TimeDelta;
use common::args::{EmptyAsNone, non_empty};
use common::secrets::Redactor;
use http_expect::{ResponseExpectation, StatusPatterns, TextCondition, TextExpectation};

use crate::address::{Address, NamedAddress};
use crate::args::Args;
use crate::expectations::Expectations;
use crate::target_spec::TargetSpec;
use crate::version::{ExpectedVersion, VersionLocation};

/// The targets of the flags.
///
/// # Errors
/// An expectation can be met by none of them.
pub(crate) fn read(args: &Args) -> Result<Vec<TargetSpec>> {
    if args.name.is_some() && args.url.len() > 1 {
        bail!("--name is for one --url: with several, name each one, as in --url api=https://host/health");
    }
    check_expectations(args)?;
    let expected = expectations(args);
    let spec = |one: &NamedAddress, is_control, renaming| TargetSpec {
        named: one.clone(),
        is_control,
        method: args.method.clone(),
        headers: args.header.clone(),
        timeout: None,
        tls: None,
        expected: expected.clone(),
        version_at: non_empty(args.version_at.as_ref()),
        secrets: Redactor::default(),
        renaming,
    };
    let mut specs: Vec<_> = args.url.iter().map(|one| spec(one, false, "--url {name}={target}")).collect();
    if let (Some(name), [only]) = (&args.name, specs.as_mut_slice()) {
        only.named.name.get_or_insert_with(|| name.clone());
    }
    specs.extend(args.control_url.iter().map(|one| spec(one, true, "--control-url {name}={target}")));
    Ok(specs)
}

fn expectations(args: &Args) -> Expectations {
    let status = match args.expect_status.as_slice() {
        [] => StatusPatterns::default(),
        patterns => StatusPatterns(patterns.to_vec()),
    };
    let contains = args.expect_body.iter().cloned().map(TextCondition::Contains);
    let matches = args.expect_body_regex.iter().cloned().map(TextCondition::Matches);
    let lacks = args.reject_body.iter().cloned().map(TextCondition::NotContains);
    Expectations {
        response: ResponseExpectation {
            status,
            headers: args.expect_header.clone(),
            body: TextExpectation(contains.chain(matches).chain(lacks).collect()),
            json: args.expect_json.clone(),
            ..ResponseExpectation::default()
        },
        version: args.expect_version.clone().map(|expected| ExpectedVersion {
            expected,
            location: non_empty(args.version_at.as_ref()).unwrap_or(VersionLocation::Word),
        }),
        min_certificate_life: args.min_cert_days.map(|days| TimeDelta::days(days.into())),
        max_latency: args.max_latency,
        ..Expectations::default()
    }
}

/// Rejects expectations that no target can meet.
fn check_expectations(args: &Args) -> Result<()> {
    let is_http = args.url.iter().any(|one| one.address.is_http());
    let in_body = args.expect_body.len()
        + args.expect_body_regex.len()
        + args.reject_body.len()
        + args.expect_json.len()
        > 0;
    let in_response = in_body || !args.expect_header.is_empty() || args.expect_version.is_some();
    let in_request = args.method.is_some() || !args.header.is_empty();
    let takes_headers = args.url.iter().any(|one| one.address.takes_headers());
    let has_status = !args.expect_status.is_empty();
    let of_connection = args.max_latency.is_some() || args.min_cert_days.is_some();
    if args.url.is_empty() && (in_response || in_request || has_status || of_connection) {
        bail!(
            "--header, --method, --expect-… and the like are for --url: the targets of a file have their own"
        );
    }
    if in_response && !is_http {
        bail!(
            "a header, a body or a version can only be expected from http:// and https://, and no --url has that scheme"
        );
    }
    if (args.method.is_some() || has_status) && !is_http {
        bail!(
            "a status can only be expected from http:// and https://, and only they take --method; no --url has that scheme"
        );
    }
    if !args.header.is_empty() && !takes_headers {
        bail!("only http://, https://, grpc:// and grpcs:// take --header; no --url has that scheme");
    }
    if args.min_cert_days.is_some() && !args.url.iter().map(|one| &one.address).any(Address::is_tls) {
        bail!("--min-cert-days only applies to TLS, such as https:// and grpcs://, and no --url uses it");
    }
    if matches!(args.version_at, Some(EmptyAsNone(Some(VersionLocation::Word))))
        && args.expect_version.is_none()
    {
        bail!(
            "--version-at body needs --expect-version; to detect any version, use json:JSONPATH, header:NAME or body:REGEX"
        );
    }
    Ok(())
}
