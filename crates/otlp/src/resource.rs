//! What is said about the source of spans, log records and metrics: the deployed service.

use common::identity::Identity;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::resource::v1::Resource;
use percent_encoding::percent_decode_str;

use crate::attributes::Attributes;
use crate::error::SettingsError;
use crate::metric::MetricSet;

const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";

/// What the environment says about the source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceSettings {
    attributes: Vec<(String, String)>,
}

impl ResourceSettings {
    /// `OTEL_RESOURCE_ATTRIBUTES`, and `OTEL_SERVICE_NAME`, which wins.
    pub(crate) fn from_env(env: &dyn Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let text = env(ATTRIBUTES).unwrap_or_default();
        let mut attributes = Vec::new();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let problem = || SettingsError::new(ATTRIBUTES, "is not a list such as name=value,other=value");
            let (name, value) = pair.split_once('=').ok_or_else(problem)?;
            let decode = |text: &str| {
                let decoded = percent_decode_str(text.trim()).decode_utf8().map_err(|_| problem())?;
                Ok(decoded.into_owned())
            };
            attributes.push((decode(name)?, decode(value)?));
        }
        if let Some(name) = env("OTEL_SERVICE_NAME") {
            attributes.retain(|(key, _)| key != "service.name");
            attributes.push(("service.name".to_owned(), name));
        }
        Ok(Self { attributes })
    }

    /// The resource of what happened to this service.
    pub(crate) fn of(&self, identity: &Identity) -> Resource {
        let own = Attributes::default()
            .text("service.name", identity.service.as_str())
            .text("deployment.environment.name", identity.environment.as_str())
            .some_text("service.version", identity.version.as_ref());
        self.replacing(own)
    }

    /// The resource of what was counted. It has no version: a series goes on when the next version is deployed.
    pub(crate) fn of_metrics(&self, set: &MetricSet) -> Resource {
        let own = Attributes::default()
            .text("service.name", &set.service)
            .text("deployment.environment.name", &set.environment)
            .text("service.instance.id", &set.instance);
        self.replacing(own)
    }

    /// These attributes, and those of the environment, which win.
    fn replacing(&self, own: Attributes) -> Resource {
        let is_set = |attribute: &KeyValue| self.attributes.iter().any(|(key, _)| *key == attribute.key);
        let given =
            self.attributes.iter().fold(Attributes::default(), |all, (key, value)| all.text(key, value));
        let mut attributes: Vec<KeyValue> =
            own.into_vec().into_iter().filter(|attribute| !is_set(attribute)).collect();
        attributes.extend(given.into_vec());
        Resource { attributes, ..Resource::default() }
    }
}
