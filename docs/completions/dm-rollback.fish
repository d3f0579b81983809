complete -c dm-rollback -l if-error-rate -d 'Roll back if more than this percentage of the requests failed' -r
complete -c dm-rollback -l because -d 'Roll back for this reason, which a script knows already, such as a deploy command that failed. Nothing is read from stdin' -r
complete -c dm-rollback -l max-age -d 'With --from-alertmanager: do nothing about a deployment that began longer ago' -r
complete -c dm-rollback -l verify-url -d 'URL that has to work after a rollback, in addition: three successes in a row. The rollback is verified by measuring the condition that triggered it again' -r
complete -c dm-rollback -l verify-deadline -d 'Time limit of the verification after a rollback' -r
complete -c dm-rollback -l version-at -d 'Where a response contains its version: json:JSONPATH, header:NAME, or body:REGEX. To verify a rollback by probes of this tool; in a stream, dm-health detects the version' -r
complete -c dm-rollback -l rollback-timeout -d 'Time limit of the rollback command' -r
complete -c dm-rollback -l format -d 'Format of stdout [default: human on a terminal, otherwise jsonl]' -r -f -a "human\t'Sentences to read; in colour on a terminal unless NO_COLOR is set'
jsonl\t'JSON Lines: one record per line'"
complete -c dm-rollback -l github -d 'In GitHub Actions, any of: group (fold the output), error (annotate a failure), summary (write the page of the deployment, or the row of a stage outside of one, to the step summary)' -r
complete -c dm-rollback -l if-latency -d 'Roll back if too many requests took longer than this. With --prometheus, it is the limit of a histogram\'s bucket' -r
complete -c dm-rollback -l if-latency-share -d 'The share of such slow requests that is allowed, in percent' -r
complete -c dm-rollback -l if-alert -d 'Roll back if this alert fires in Alertmanager with the labels of the service and the environment, and its condition began after the deployment; may be given more than once. With a stream or a log, it is checked once, at the end' -r
complete -c dm-rollback -l alert-match -d 'An alert is about this service if it has this label, whatever its labels service and environment are; may be given more than once: then it needs all of them' -r
complete -c dm-rollback -l alert-for -d 'How long the condition of an alert holds before it fires, the `for` of its rule, if no Prometheus ($PROMETHEUS_URL) knows it. A condition that began before the deployment is no reason to roll back' -r
complete -c dm-rollback -l alertmanager-url -d 'The Alertmanager to query for alerts and to notify of a rollback' -r
complete -c dm-rollback -l prometheus -d 'Count requests in this Prometheus [default: $PROMETHEUS_URL, which is also asked when the condition of an alert began]' -r
complete -c dm-rollback -l prometheus-token -d 'A bearer token for Prometheus: better in the variable, or as file:PATH, than on the command line' -r
complete -c dm-rollback -l total-query -d 'The counter of requests, as a selector without functions: requests_total{job="api"} [default: a usual counter of the service in this environment]' -r
complete -c dm-rollback -l error-query -d 'The counter of failed requests, also as a selector [default: the counter of requests, with a status of 5xx, or one of gRPC that is the server\'s fault]' -r
complete -c dm-rollback -l latency-query -d 'The buckets of the histogram that --if-latency uses, as a selector: request_duration_seconds_bucket{job="api"}. The limit has to be one of its buckets [default: a usual histogram of the service in this environment]' -r
complete -c dm-rollback -l latency-unit -d 'The unit of that histogram, if its name does not end with _seconds_bucket, _milliseconds_bucket or _ms_bucket' -r -f -a "s\t'Seconds'
ms\t'Milliseconds'"
complete -c dm-rollback -l control-query -d 'The counter of requests of a control group at the same time, as a selector: the previous version, or the rest of the fleet' -r
complete -c dm-rollback -l control-error-query -d 'The counter of its failed requests [default: as for --error-query]' -r
complete -c dm-rollback -l railway-url -d 'The URL of Railway\'s API' -r
complete -c dm-rollback -l access-log -d 'Count requests in an access log on stdin (-): the combined format of nginx and Apache, with urt=$upstream_response_time after it for --if-latency and us=$upstream_status for the application\'s own answers, or JSON Lines' -r -f -a "-\t''"
complete -c dm-rollback -l include-path -d 'Count only the requests of an access log whose path begins with this; may be given more than once' -r
complete -c dm-rollback -l exclude-path -d 'Ignore requests whose path begins with this, such as those of a load balancer\'s health check; may be given more than once' -r
complete -c dm-rollback -l exclude-agent -d 'Ignore requests whose user agent contains this text, in any case: ELB-HealthChecker; may be given more than once' -r
complete -c dm-rollback -l watch -d 'How long to watch, at least and at most; the watch ends in between as soon as the version is proven good or bad. Or one duration; then the watch ends earlier only to roll back [default: 60s..10m if a server is queried]' -r
complete -c dm-rollback -l bucket -d 'The length of the buckets of time that the requests are judged in. A fault has to last for five of them; a burst that is shorter proves nothing' -r
complete -c dm-rollback -l control-tolerance -d 'The odds ratio of failures, compared with the control group, that is tolerated: 1 tolerates no difference' -r
complete -c dm-rollback -l interval -d 'The time between two queries to a server, and between two progress lines' -r
complete -c dm-rollback -l since -d 'When the deployment began, as a time (RFC 3339) or a duration before now; older requests are the baseline. For a log that is read to its end, also all: every line counts [default: now if a server is queried or a log is watched]' -r
complete -c dm-rollback -l baseline -d 'The length of the baseline before the deployment that a server is queried for; 0s for none' -r
complete -c dm-rollback -l baseline-total -d 'The number of requests before the deployment, if you count them yourself' -r
complete -c dm-rollback -l baseline-errors -d 'The number of these requests that failed' -r
complete -c dm-rollback -l target -d 'Version to roll back to, also one that is on record nowhere [default: the last known-good version]' -r
complete -c dm-rollback -l max-rollbacks-per-day -d 'Refuse (11) after this number of rollbacks of a service in 24 hours, until a person has found the cause [default: 20]' -r
complete -c dm-rollback -l cool-down -d 'For this time after a rollback, do not roll back the same version again, nor a deployment that began before the rollback ended (75) [default: 15m]' -r
complete -c dm-rollback -l release -d 'Name of this release on the platform, such as a revision; a later rollback to this version passes it to the command as $DM_ROLLBACK_RELEASE' -r
complete -c dm-rollback -l release-before -d 'Name of the release that was live before the deployment. If --release is the same, nothing went live, and nothing is rolled back (1)' -r
complete -c dm-rollback -l service -d 'Service that is deployed [default: from the CI system, otherwise the name of the repository\'s folder]' -r
complete -c dm-rollback -l environment -d 'Environment to deploy to [default: from the CI system, otherwise "development"]' -r
complete -c dm-rollback -l deployment-id -d 'Id of the deployment, the same for all its tools [default: the CI run, otherwise a new id]' -r
complete -c dm-rollback -l app-version -d 'Version that is deployed [default: the tag, otherwise the commit]' -r
complete -c dm-rollback -l commit -d 'Commit that is deployed [default: from the CI system, otherwise from git]' -r
complete -c dm-rollback -l run-url -d 'Page of the CI run [default: from the CI system]' -r
complete -c dm-rollback -l textfile -d 'Metrics file for node_exporter\'s textfile collector; the name must end in .prom' -r
complete -c dm-rollback -l state-dir -d 'State directory with the journal [default: $XDG_STATE_HOME/dm, else ~/.local/state/dm]' -r
complete -c dm-rollback -l state-url -d 'Where the state is that all machines share: file:///folder, s3://bucket/prefix, gs://bucket/prefix, az://container/prefix, or git+https://host/repository.git#refs/dm/state' -r
complete -c dm-rollback -l export-budget -d 'How long exporting may take after the work [default: 2s]' -r
complete -c dm-rollback -l export -d 'Who pushes the event of a stage: "detached", a process that goes on when the tool has ended; or "foreground", the tool itself, for a machine that kills such processes [default: detached]' -r
complete -c dm-rollback -l pushgateway-url -d 'Pushgateway to push to, or "disabled" [default: disabled]' -r
complete -c dm-rollback -l pushgateway-user -d 'User for basic authentication' -r
complete -c dm-rollback -l pushgateway-password -d 'Password for basic authentication, or file:PATH; do not put it on the command line' -r
complete -c dm-rollback -l pushgateway-token -d 'Bearer token, or file:PATH; do not put it on the command line' -r
complete -c dm-rollback -l pushgateway-headers -d 'Additional headers, one NAME: VALUE per line; or file:PATH' -r
complete -c dm-rollback -l pushgateway-ca -d 'Also trust the certificates in this PEM file' -r
complete -c dm-rollback -l pushgateway-cert -d 'PEM file with the client certificate and its key' -r
complete -c dm-rollback -l require-export -d 'Exit with 125 if the event could not be pushed' -r
complete -c dm-rollback -l notify -d 'Notify people of the deployment: the URL of a webhook of Slack, Microsoft Teams or Discord; slack://CHANNEL, pagerduty, or webhook+URL. Several are separated by spaces. Such URLs are secrets: prefer the variable, or file:PATH' -r
complete -c dm-rollback -l notify-on -d 'What to notify of: any of started, succeeded, failed, rolled-back and restored, separated by commas [default: succeeded,failed,rolled-back,restored]' -r
complete -c dm-rollback -l notify-template -d 'What a webhook+URL gets: a template of JSON, such as \'{"text": {{ text }}}\', or file:PATH [default: all values]' -r
complete -c dm-rollback -l github-deployment -d 'Report the statuses of the deployment to GitHub: of a new one, or of the one with this ID' -r
complete -c dm-rollback -l environment-url -d 'Page of what is deployed, for GitHub' -r
complete -c dm-rollback -l if-health-fails -d 'Roll back if dm-health found the service unhealthy'
complete -c dm-rollback -l if-smoke-fails -d 'Roll back if a smoke test failed'
complete -c dm-rollback -l from-alertmanager -d 'Roll back if a payload of Alertmanager\'s webhook on stdin contains an alert of this service that fires and has the label auto_action="rollback", if --alertmanager-url confirms that it is still active, and if it began after the deployment'
complete -c dm-rollback -l dry-run -d 'Only decide: report a rollback that is needed, but do not run the command (11)'
complete -c dm-rollback -l railway -d 'Count requests in Railway\'s metrics: RAILWAY_SERVICE_ID and RAILWAY_ENVIRONMENT_ID select the service, RAILWAY_TOKEN or RAILWAY_API_TOKEN authenticates'
complete -c dm-rollback -l count-client-aborts -d 'Count requests that the client gave up (499 or 000) as failures. Without it they are neither successes nor failures'
complete -c dm-rollback -l require-target -d 'Refuse (11) if no version is known to be good. Without this flag, the first rollback runs the command without a target'
complete -c dm-rollback -l allow-refused -d 'Allow a version that was rolled back before: as the --target, or with --check-version or --mark-good. With --mark-good also one that was kept only because it is no worse than before'
complete -c dm-rollback -l schema-compatible -d 'Roll back even if a migration has changed the schema: the target works with the current one'
complete -c dm-rollback -l provisional -d 'More checks of this deployment follow: a keep does not make its version known good yet'
complete -c dm-rollback -l act-without-state -d 'Roll back although the shared state cannot be used, or this CI job\'s machine has no ledger: without the safeguards that depend on it'
complete -c dm-rollback -l mark-good -d 'Only record the version of this deployment as known good'
complete -c dm-rollback -l assumed -d 'With --mark-good: nobody saw this version answer, it is only assumed that it served'
complete -c dm-rollback -l check-version -d 'Only check the version of this deployment: exit with 1 if it was rolled back and has not proved good since'
complete -c dm-rollback -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dm-rollback -s V -l version -d 'Print version'
