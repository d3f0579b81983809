//! A target as it is asked for, by flags or in a file: where it is, what to send, and what is expected of it.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, bail};
use common::env;
use common::label::Label;
use common::proxy::Proxies;
use common::secrets::Redactor;
use dm_smoke::Tls;
use hyper::Method;

use crate::address::NamedAddress;
use crate::expectations::Expectations;
use crate::probe::Target;
use crate::request_header::RequestHeader;
use crate::version::{VersionDetector, VersionLocation};

/// A target as it is asked for.
#[derive(Debug)]
pub(crate) struct TargetSpec {
    /// The address, with an optional name.
    pub(crate) named: NamedAddress,
    /// Whether it belongs to the control group.
    pub(crate) is_control: bool,
    /// The method of an HTTP request; `None` for the default.
    pub(crate) method: Option<Method>,
    /// The headers of an HTTP request.
    pub(crate) headers: Vec<RequestHeader>,
    /// The time limit of a probe, if it has one of its own.
    pub(crate) timeout: Option<Duration>,
    /// The settings of TLS, if it has its own.
    pub(crate) tls: Option<Tls>,
    /// What is expected, without the detector and the secrets.
    pub(crate) expected: Expectations,
    /// Where responses contain their version, if that is to be detected.
    pub(crate) version_at: Option<VersionLocation>,
    /// Secrets that responses may repeat, besides those of the address and the headers.
    pub(crate) secrets: Redactor,
    /// How to write a unique name, with `{name}` and `{target}` for its parts.
    pub(crate) renaming: &'static str,
}

/// The targets of the specifications, with unique names, and what is expected of each. Those of the control group come
/// last. `deployed` is the version of the deployment.
///
/// # Errors
/// Two targets have one name, or one target is its own control group, or a target cannot be probed.
pub(crate) fn resolve(
    mut specs: Vec<TargetSpec>,
    deployed: Option<&Label>,
) -> Result<(Vec<Target>, Vec<Expectations>)> {
    for spec in &mut specs {
        let named = spec.named.clone();
        spec.named.address = named.address.with_environment(&env::system);
    }
    specs.sort_by_key(|spec| spec.is_control);
    let (judged, control) = specs.split_at(specs.partition_point(|spec| !spec.is_control));
    let is_judged = |one: &TargetSpec| {
        judged.iter().any(|url| url.named.address == one.named.address && url.headers == one.headers)
    };
    if control.iter().any(is_judged) {
        bail!("--control-url and --url are the same: a group is never worse than itself");
    }
    let proxies = Proxies::from_env().map_err(anyhow::Error::msg)?;
    let mut names = BTreeSet::new();
    let mut targets = Vec::new();
    for spec in &specs {
        let NamedAddress { name, address } = &spec.named;
        let target = Target::new(address, name.clone())?.through(address, &proxies)?;
        let target = target.with_request(&spec.headers, spec.method.as_ref());
        let target = target.with_connection(spec.timeout, spec.tls.as_ref())?;
        if !names.insert((spec.is_control, target.name.clone())) {
            let unique = spec.renaming.replace("{name}", &format!("{}-2", target.name));
            let unique = unique.replace("{target}", &target.display);
            bail!("two targets have the name {}: give each a unique name, as in {unique}", target.name);
        }
        targets.push(if spec.is_control { target.into_control() } else { target });
    }
    Ok((targets, specs.into_iter().map(|spec| expectations(spec, deployed)).collect()))
}

fn expectations(spec: TargetSpec, deployed: Option<&Label>) -> Expectations {
    let mut secrets = spec.secrets;
    secrets.add(spec.headers.iter().map(RequestHeader::secret));
    let mut never_a_version = secrets.clone();
    never_a_version.add(spec.named.address.secrets());
    let detector = spec.version_at.map(|location| VersionDetector {
        location,
        secrets: never_a_version.with_environment(),
        deployed: deployed.map(ToString::to_string),
    });
    let expected = Expectations { detector, secrets, ..spec.expected };
    // The control group may have any version.
    if spec.is_control { Expectations { version: None, ..expected } } else { expected }
}
