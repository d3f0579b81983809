//! Which requests count: those of a load balancer say little about the users'. Pure.

use super::args::LogArgs;
use super::entry::Entry;

/// Selects requests by their path and user agent.
#[derive(Debug, Default)]
pub(super) struct Filters {
    included_paths: Vec<String>,
    excluded_paths: Vec<String>,
    /// In lower case.
    excluded_agents: Vec<String>,
    /// Whether any line had a path, and whether any had a user agent.
    has_path: bool,
    has_agent: bool,
}

impl Filters {
    /// The filters that were asked for.
    pub(super) fn new(args: &LogArgs) -> Self {
        Self {
            included_paths: args.include_path.clone(),
            excluded_paths: args.exclude_path.clone(),
            excluded_agents: args.exclude_agent.iter().map(|text| text.to_lowercase()).collect(),
            ..Self::default()
        }
    }

    /// Whether the request counts.
    pub(super) fn select(&mut self, entry: &Entry<'_>) -> bool {
        self.has_path |= entry.path.is_some();
        self.has_agent |= entry.agent.is_some();
        let path = entry.path.as_deref().unwrap_or_default();
        let begins = |prefix: &String| path.starts_with(prefix.as_str());
        if self.excluded_paths.iter().any(begins)
            || (!self.included_paths.is_empty() && !self.included_paths.iter().any(begins))
        {
            return false;
        }
        let Some(agent) = entry.agent.as_deref().filter(|_| !self.excluded_agents.is_empty()) else {
            return true;
        };
        let agent = agent.to_lowercase();
        !self.excluded_agents.iter().any(|text| agent.contains(text.as_str()))
    }

    /// Why the filters cannot be applied to this log. A filter without its field would silently select everything.
    pub(super) fn complaint(&self) -> Option<String> {
        let needs_path = !self.included_paths.is_empty() || !self.excluded_paths.is_empty();
        if needs_path && !self.has_path {
            return Some("no line has a path, which --include-path and --exclude-path need".to_owned());
        }
        if !self.has_agent && !self.excluded_agents.is_empty() {
            return Some("no line has a user agent, which --exclude-agent needs".to_owned());
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn filters(include: &[&str], exclude: &[&str], agents: &[&str]) -> Filters {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Filters::new(&LogArgs {
            include_path: owned(include),
            exclude_path: owned(exclude),
            exclude_agent: owned(agents),
            count_client_aborts: false,
        })
    }

    fn request(path: &'static str, agent: &'static str) -> Entry<'static> {
        Entry { path: Some(Cow::Borrowed(path)), agent: Some(Cow::Borrowed(agent)), ..Entry::default() }
    }

    #[test]
    fn paths_are_selected_by_their_beginning_and_agents_by_any_part() {
        let mut filters = filters(&["/api", "/v2"], &["/api/health"], &["elb-health"]);
        assert!(filters.select(&request("/api/orders", "curl")));
        assert!(filters.select(&request("/v2", "curl")));
        assert!(!filters.select(&request("/static/api", "curl")));
        assert!(!filters.select(&request("/api/healthz", "curl")));
        assert!(!filters.select(&request("/api/orders", "ELB-HealthChecker/2.0")));
        assert!(!filters.select(&Entry::default()), "no path is not included");
        assert!(Filters::default().select(&Entry::default()));
    }

    #[test]
    fn a_filter_needs_its_field() {
        let mut agents = filters(&[], &[], &["elb"]);
        assert!(agents.select(&Entry { agent: None, ..request("/", "") }));
        assert!(agents.complaint().unwrap().contains("user agent"));
        agents.select(&request("/", "curl"));
        assert_eq!(agents.complaint(), None);
        assert!(filters(&[], &["/a"], &[]).complaint().unwrap().contains("path"));
        assert_eq!(Filters::default().complaint(), None);
    }
}
