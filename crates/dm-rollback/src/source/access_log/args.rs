//! The flags that say which requests of an access log count.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

/// Which requests of an access log count.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct LogArgs {
    /// Count only the requests of an access log whose path begins with this; may be given more than once
    #[arg(long, value_name = "PATH", requires = "access_log", value_parser = parse_path)]
    pub include_path: Vec<String>,

    /// Ignore requests whose path begins with this, such as those of a load balancer's health check; may be given more than
    /// once
    #[arg(long, value_name = "PATH", requires = "access_log", value_parser = parse_path)]
    pub exclude_path: Vec<String>,

    /// Ignore requests whose user agent contains this text, in any case: ELB-HealthChecker; may be given more than once
    #[arg(long, value_name = "TEXT", requires = "access_log", value_parser = NonEmptyStringValueParser::new())]
    pub exclude_agent: Vec<String>,

    /// Count requests that the client gave up (499 or 000) as failures. Without it they are neither successes nor failures
    #[arg(long, requires = "access_log")]
    pub count_client_aborts: bool,
}

/// Parses the beginning of a path.
fn parse_path(text: &str) -> Result<String, String> {
    if text.starts_with('/') && !text.contains(['?', '*']) {
        return Ok(text.to_owned());
    }
    Err("give the beginning of a path without its query, such as /health".to_owned())
}
