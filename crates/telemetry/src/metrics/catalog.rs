//! The catalog of all metric families: name, type and meaning, the same in every tool. A Pushgateway rejects a second
//! type for a name, and `node_exporter` a second help text.

/// The type of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only increases. Prometheus treats a decrease as a reset.
    Counter,
    /// Increases and decreases.
    Gauge,
    /// Counts observations in buckets.
    Histogram,
}

/// A metric family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// The name.
    pub name: &'static str,
    /// The type.
    pub kind: Kind,
    /// The help text, with the unit.
    pub help: &'static str,
}

/// Upper bounds of the buckets of `time_to_deploy_seconds`, in seconds. 720 is the objective of 12 minutes. It must be a
/// bound, so that the share above it is exact.
pub const TIME_TO_DEPLOY_BUCKETS: &[f64] =
    &[30.0, 60.0, 120.0, 180.0, 300.0, 420.0, 600.0, 720.0, 900.0, 1200.0, 1800.0, 3600.0];

/// Upper bounds of the buckets of `deployment_lead_time_seconds`, in seconds: 5 minutes to 30 days.
pub const LEAD_TIME_BUCKETS: &[f64] =
    &[300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 43200.0, 86400.0, 172_800.0, 604_800.0, 2_592_000.0];

/// Upper bounds of the buckets of `deployment_time_to_restore_seconds`, in seconds: a minute to a week.
pub const RESTORE_BUCKETS: &[f64] =
    &[60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0, 43200.0, 86400.0, 259_200.0, 604_800.0];

macro_rules! families {
    ($($constant:ident = $kind:ident $name:literal, $help:literal;)+) => {
        $(#[doc = $help] pub const $constant: &Family =
            &Family { name: $name, kind: Kind::$kind, help: $help };)+

        /// All families.
        pub const ALL: &[&Family] = &[$($constant),+];
    };
}

families! {
    TOTAL = Counter "deployment_total", "Finished runs of a stage by status; stage=\"deployment\" is the run as a whole.";
    DURATION = Gauge "deployment_stage_duration_seconds", "Duration of the last run of the stage, in seconds.";
    IN_PROGRESS = Gauge "deployment_in_progress", "1 while the deployment runs; valid only while its heartbeat is fresh.";
    HEALTH_LATENCY = Gauge "api_health_check_latency_ms", "Latency of the successful probes of the last watch, in milliseconds.";
    ERROR_RATE = Gauge "post_deployment_error_rate", "Errors in percent of requests (0 to 100) after the deployment.";
    TIME_TO_DEPLOY = Histogram "time_to_deploy_seconds", "Duration of whole deployments, in seconds.";
    ROLLBACK_TOTAL = Counter "deployment_rollback_total", "Rollbacks performed, by reason and result.";
    SMOKE_TOTAL = Counter "smoke_test_total", "Smoke tests by final result.";
    MIGRATION_LAG = Gauge "database_migration_lag_seconds", "Duration of the last migration command, in seconds.";
    ERRORS_TOTAL = Counter "deployment_errors_total", "Failed stages by reason.";

    START = Gauge "deployment_start_timestamp_seconds", "Start of the deployment in progress, in seconds since the epoch.";
    LAST_SUCCESS = Gauge "deployment_last_success_timestamp_seconds", "Time of the last success of the stage, in seconds since the epoch.";
    LAST_FAILURE = Gauge "deployment_last_failure_timestamp_seconds", "Time of the last failure of the stage, in seconds since the epoch.";
    LAST_ROLLBACK = Gauge "deployment_rollback_last_timestamp_seconds", "Time of the last rollback, in seconds since the epoch.";
    LAST_SMOKE_FAILURE = Gauge "smoke_test_last_failure_timestamp_seconds", "Time of the last failed smoke test, in seconds since the epoch.";
    STAGE_START = Gauge "deployment_stage_start_timestamp_seconds", "Start of the stage that the service began last, in seconds since the epoch; it runs until its end is newer.";
    STAGE_END = Gauge "deployment_stage_end_timestamp_seconds", "End of the last run of the stage, in seconds since the epoch; the labels identify the run and its outcome.";
    EVALUATED = Gauge "post_deployment_evaluation_timestamp_seconds", "Time at which post_deployment_error_rate was evaluated, in seconds since the epoch; the labels identify the run.";
    INFO = Gauge "deployment_info", "1; the labels identify the last release that the stage put live: deployment, deploy, or a verified rollback.";
    HEALTH_TOTAL = Counter "api_health_check_total", "Probes of the service by result.";
    REQUESTS_TOTAL = Counter "post_deployment_requests_total", "Requests after deployments, by source.";
    REQUEST_ERRORS_TOTAL = Counter "post_deployment_request_errors_total", "Failed requests after deployments, by source.";
    MIGRATION_TOTAL = Counter "database_migration_total", "Migration commands run, by status.";
    MIGRATION_IN_PROGRESS = Gauge "database_migration_in_progress", "1 while the migration command runs; valid only while its heartbeat is fresh.";
    MIGRATION_START = Gauge "database_migration_start_timestamp_seconds", "Start of the last migration command, in seconds since the epoch.";
    MIGRATION_LOCK_WAIT = Gauge "database_migration_lock_wait_seconds", "Time that the last migration command waited for locks, in seconds; NaN if unknown.";
    MIGRATION_BLOCKED = Gauge "database_migration_blocked_sessions", "Maximum number of sessions that waited for the last migration command at the same time; NaN if unknown.";
    RECENT = Gauge "dm_recent_event", "Tokens of the last events that this group counted, newest first; they prove that an event was counted.";
    LEAD_TIME = Histogram "deployment_lead_time_seconds", "Time from a commit to the end of the deployment that put it live, in seconds.";
    RESTORE = Histogram "deployment_time_to_restore_seconds", "Time from the start of the first failed deployment until a rollback was verified or a deployment succeeded, in seconds.";
    FAILING_SINCE = Gauge "deployment_failing_since_timestamp_seconds", "Start of the first failed deployment since the last success or verified rollback, in seconds since the epoch; 0 if none failed.";
    FAILURE_INFO = Gauge "deployment_failure_info", "1; the labels identify the last failed deployment and its CI run.";
    COST_TOTAL = Counter "deployment_cost_dollars_total", "Cost of the machines that ran the stage, in dollars: duration times price per minute.";
    CPU = Gauge "deployment_stage_cpu_seconds", "CPU time of the last run of the stage, user and system, in seconds.";
    MAX_RSS = Gauge "deployment_stage_max_rss_bytes", "Peak resident memory of the largest process of the last run of the stage, in bytes.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_and_only_counters_end_in_total() {
        for family in ALL {
            assert_eq!(family.name.ends_with("_total"), family.kind == Kind::Counter, "{}", family.name);
        }
    }

    #[test]
    fn the_objective_of_twelve_minutes_is_a_bucket_bound() {
        assert!(TIME_TO_DEPLOY_BUCKETS.contains(&720.0));
        assert!(TIME_TO_DEPLOY_BUCKETS.is_sorted());
    }
}
