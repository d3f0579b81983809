//! What a counter sends: <https://opentelemetry.io/docs/specs/otel/metrics/sdk_exporters/otlp/>.

use crate::error::SettingsError;

const PREFERENCE: &str = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";

/// What a point of a counter or a histogram contains.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Temporality {
    /// All that was ever counted: the default.
    #[default]
    Cumulative,
    /// What was counted since the point before.
    Delta,
}

impl Temporality {
    /// `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE`
    pub(crate) fn from_env(env: &dyn Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let Some(text) = env(PREFERENCE) else { return Ok(Self::default()) };
        match text.trim().to_ascii_lowercase().as_str() {
            "cumulative" => Ok(Self::Cumulative),
            // The two differ only in kinds of instruments that the tools do not have.
            "delta" | "lowmemory" => Ok(Self::Delta),
            _ => Err(SettingsError::new(PREFERENCE, "must be cumulative, delta or lowmemory")),
        }
    }
}
