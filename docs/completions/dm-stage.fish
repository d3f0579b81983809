complete -c dm-stage -l timeout -d 'End the command after this time: --signal to it and everything it started, then KILL' -r
complete -c dm-stage -l signal -d 'The signal that asks the command to end at its time limit, such as INT or QUIT' -r
complete -c dm-stage -l kill-after -d 'The time between --signal and KILL' -r
complete -c dm-stage -l allow-exit -d 'Exit codes that count as success in addition to 0, such as 1,3; dm-stage still exits with that code' -r
complete -c dm-stage -l retries -d 'Retry up to N times if the command fails (not if it cannot start); --timeout applies to each attempt' -r
complete -c dm-stage -l retry-delay -d 'Delay before a retry; a range such as 1s..1m doubles it from one to the next, with jitter' -r
complete -c dm-stage -l retry-exit -d 'Retry only after these exit codes, such as 75,124; 124 is the time limit, 128 + N a signal' -r
complete -c dm-stage -l retry-pattern -d 'Retry only if a line of stderr matches, such as \'connection reset\'; can be repeated, and one match or a --retry-exit is enough; the stderr of the command is then a pipe' -r
complete -c dm-stage -l stdin -d 'What the command gets as stdin. A command that may have read a pipe is not retried, unless its stdin is replayed' -r -f -a "inherit\t'The stdin of this tool'
replay\t'The same bytes for each attempt, up to 16 MiB'"
complete -c dm-stage -l output -d 'What is shown of the command\'s output: live (all of it, as it comes), with-result (the same, and at the end one line on stderr with result, stage and duration), or on-failure (only that line; after a failure also the last 30 lines of stdout and stderr, with secrets masked) [default: live]' -r
complete -c dm-stage -l tail -d 'Keep the last LINES lines of stderr in the journal, with secrets masked; the stderr of the command is then a pipe [default: the last 20 of a failed command whose output is a pipe for another reason, such as --output on-failure]' -r
complete -c dm-stage -l error-pattern -d 'Classify a failure if a line of stderr matches, such as \'could not obtain lock=lock_timeout\'; can be repeated, the first match counts; the stderr of the command is then a pipe' -r
complete -c dm-stage -l skip -d 'Do not run the command; record the stage as skipped for this reason. An empty reason skips nothing' -r
complete -c dm-stage -l live-release -d 'With --skip of a stage that would have deployed: the release that stays live, as the platform names it, for the record and the line at the end' -r
complete -c dm-stage -l summary-line -d 'At the end of the stage deployment, print one line on stderr: the outcome, the stage that failed and why, and what is live. auto (on a terminal, and in CI), always or never [default: auto]' -r
complete -c dm-stage -l summary -d 'At the end of the stage deployment, write its page to this file, in Markdown: how it ended and why, its stages, a chart, the output of what failed. --github summary writes it to the summary of a run of GitHub Actions' -r
complete -c dm-stage -l dashboard-url -d 'The dashboard that the page links to, such as https://grafana.example.com/d/dm-deployment-pipeline; the page adds the service, the environment and the time' -r
complete -c dm-stage -l runbook-url -d 'The folder of the runbooks that the page links to, such as https://github.com/OWNER/REPOSITORY/blob/main/docs/runbooks' -r
complete -c dm-stage -l github -d 'In GitHub Actions, any of: group (fold the output), error (annotate a failure), summary (write the page of the deployment, or the row of a stage outside of one, to the step summary)' -r
complete -c dm-stage -l finish -d 'Only record that a stage begun with --start has ended: success, failure, error, timeout, cancelled or skipped' -r
complete -c dm-stage -l timeline -d 'Print the timeline of a deployment from the journal; without an ID, of the last one' -r
complete -c dm-stage -l follow -d 'Print what a deployment does while it runs, a line for each stage that starts or ends; without an ID, of the one that runs on this machine' -r
complete -c dm-stage -l report -d 'Write a report to this file, or - for stdout, as a page of HTML that needs no network: about the last deployment, about the one that --deployment names, or with --last about all of some time. --service and --environment select deployments' -r -F
complete -c dm-stage -l prometheus -d 'With --audit: the Prometheus with the recording rules [default: $PROMETHEUS_URL]. The bearer token is in $PROMETHEUS_TOKEN, or in the file that it names as file:PATH' -r
complete -c dm-stage -l settle -d 'With --audit: how long an event may take until the rules count it: a push, a scrape, and an evaluation' -r
complete -c dm-stage -l deployment -d 'With --report: the deployment' -r
complete -c dm-stage -l last -d 'With --report: all deployments that began within this time, such as 30d' -r
complete -c dm-stage -l since -d 'With --history: only deployments that began within this time, such as 30d' -r
complete -c dm-stage -l format -d 'With --timeline or --history: human, json, or markdown, which is the page of a deployment [default: human]' -r -f -a "human\t''
json\t''
markdown\t''"
complete -c dm-stage -l retire -d 'Delete what the Pushgateway has about this service, which is no longer deployed: in the environment of --environment, or in all. The journal stays' -r
complete -c dm-stage -l exclusive -d 'Run only one deployment of the service in the environment at a time; a second one waits for this long, such as --exclusive=\'wait 10m\', or exits with 75. Only for the stage deployment' -r
complete -c dm-stage -l service -d 'Service that is deployed [default: from the CI system, otherwise the name of the repository\'s folder]' -r
complete -c dm-stage -l environment -d 'Environment to deploy to [default: from the CI system, otherwise "development"]' -r
complete -c dm-stage -l deployment-id -d 'Id of the deployment, the same for all its tools [default: the CI run, otherwise a new id]' -r
complete -c dm-stage -l app-version -d 'Version that is deployed [default: the tag, otherwise the commit]' -r
complete -c dm-stage -l commit -d 'Commit that is deployed [default: from the CI system, otherwise from git]' -r
complete -c dm-stage -l run-url -d 'Page of the CI run [default: from the CI system]' -r
complete -c dm-stage -l textfile -d 'Metrics file for node_exporter\'s textfile collector; the name must end in .prom' -r
complete -c dm-stage -l state-dir -d 'State directory with the journal [default: $XDG_STATE_HOME/dm, else ~/.local/state/dm]' -r
complete -c dm-stage -l state-url -d 'Where the state is that all machines share: file:///folder, s3://bucket/prefix, gs://bucket/prefix, az://container/prefix, or git+https://host/repository.git#refs/dm/state' -r
complete -c dm-stage -l export-budget -d 'How long exporting may take after the work [default: 2s]' -r
complete -c dm-stage -l export -d 'Who pushes the event of a stage: "detached", a process that goes on when the tool has ended; or "foreground", the tool itself, for a machine that kills such processes [default: detached]' -r
complete -c dm-stage -l pushgateway-url -d 'Pushgateway to push to, or "disabled" [default: disabled]' -r
complete -c dm-stage -l pushgateway-user -d 'User for basic authentication' -r
complete -c dm-stage -l pushgateway-password -d 'Password for basic authentication, or file:PATH; do not put it on the command line' -r
complete -c dm-stage -l pushgateway-token -d 'Bearer token, or file:PATH; do not put it on the command line' -r
complete -c dm-stage -l pushgateway-headers -d 'Additional headers, one NAME: VALUE per line; or file:PATH' -r
complete -c dm-stage -l pushgateway-ca -d 'Also trust the certificates in this PEM file' -r
complete -c dm-stage -l pushgateway-cert -d 'PEM file with the client certificate and its key' -r
complete -c dm-stage -l require-export -d 'Exit with 125 if the event could not be pushed' -r
complete -c dm-stage -l notify -d 'Notify people of the deployment: the URL of a webhook of Slack, Microsoft Teams or Discord; slack://CHANNEL, pagerduty, or webhook+URL. Several are separated by spaces. Such URLs are secrets: prefer the variable, or file:PATH' -r
complete -c dm-stage -l notify-on -d 'What to notify of: any of started, succeeded, failed, rolled-back and restored, separated by commas [default: succeeded,failed,rolled-back,restored]' -r
complete -c dm-stage -l notify-template -d 'What a webhook+URL gets: a template of JSON, such as \'{"text": {{ text }}}\', or file:PATH [default: all values]' -r
complete -c dm-stage -l github-deployment -d 'Report the statuses of the deployment to GitHub: of a new one, or of the one with this ID' -r
complete -c dm-stage -l environment-url -d 'Page of what is deployed, for GitHub' -r
complete -c dm-stage -l may-outlive -d 'Let the command continue if this tool is killed by SIGKILL or for lack of memory; otherwise the command gets TERM'
complete -c dm-stage -l status -d 'On a terminal, show a live status line: the stage, its elapsed time, and its duration last time'
complete -c dm-stage -l start -d 'Only record that the stage starts; print the variables for the tools and machines that continue it'
complete -c dm-stage -l history -d 'Print a line for each deployment in the journal, the newest first: when, which version, how it ended, the stage that failed, how long it took, who started it, and what is live. --service and --environment select deployments'
complete -c dm-stage -l audit -d 'Compare what Prometheus has recorded with the journal: each rule that counts, over its window. Prints each difference with its cause; exits with 1 if something differs, and with 3 if the journal may not have everything'
complete -c dm-stage -l flush -d 'Push pending events to the Pushgateway, and verify that all arrived'
complete -c dm-stage -l dry-run -d 'With --retire: only print what would be deleted'
complete -c dm-stage -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dm-stage -s V -l version -d 'Print version'
