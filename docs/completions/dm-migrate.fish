complete -c dm-migrate -l timeout -d 'End the command after this time: --signal to it and everything it started, then KILL' -r
complete -c dm-migrate -l signal -d 'The signal that asks the command to end at its time limit, such as INT or QUIT' -r
complete -c dm-migrate -l kill-after -d 'The time between --signal and KILL' -r
complete -c dm-migrate -l output -d 'What is shown of the command\'s output: live (all of it, as it comes), with-result (the same, and at the end one line on stderr with result, stage and duration), or on-failure (only that line; after a failure also the last 30 lines of stdout and stderr, with secrets masked) [default: live]' -r
complete -c dm-migrate -l on-failure -d 'Run COMMAND once if the migration failed, such as \'./restore.sh --last\'; without a shell. Does not change the exit code' -r
complete -c dm-migrate -l stdin -d 'What the command gets as stdin. A command that may have read a pipe is not retried, unless its stdin is replayed' -r -f -a "inherit\t'The stdin of this tool'
replay\t'The same bytes for each attempt, up to 16 MiB'"
complete -c dm-migrate -l check -d 'Run nothing; read the SQL in this file, in this folder of migrations, or on stdin, and report which statement locks which table, what is unsafe, and what to do instead. PostgreSQL only' -r -F
complete -c dm-migrate -l format -d 'The format of the report of --check' -r -f -a "human\t'Text for people'
json\t'One JSON document'"
complete -c dm-migrate -l database-url -d 'The database to monitor. Other users can see the command line: prefer the variable, or file:PATH' -r
complete -c dm-migrate -l monitor-url -d 'The database to monitor, if DATABASE_URL has the address of a connection pooler, or of another role; DIRECT_URL is used too' -r
complete -c dm-migrate -l expect-version -d 'Exit with 1 if the schema is not at this version afterwards, or if its version is unknown' -r
complete -c dm-migrate -l advisory-lock -d 'Allow only one dm-migrate with this flag per database at a time: a second one waits for this long, such as --advisory-lock=\'wait 10m\', or exits with 75' -r
complete -c dm-migrate -l version-table -d 'The version table of the migration tool, if it has another name than by default, and its column with the version' -r
complete -c dm-migrate -l lock-timeout -d 'How long a statement of the migration may wait for a lock that others can wait behind; 0s: no limit [default: 5s on PostgreSQL where the command can run again, otherwise no limit]' -r
complete -c dm-migrate -l lock-retries -d 'Retry up to N times if the command failed because of the lock timeout and nothing was applied [default: 10]' -r
complete -c dm-migrate -l lock-retry-time -d 'Begin no further attempt when all together have taken this long [default: 15m]' -r
complete -c dm-migrate -l blocker-state -d 'Terminate only sessions in this state' -r
complete -c dm-migrate -l blocker-min-age -d 'Terminate only sessions that have been in that state for at least this long' -r
complete -c dm-migrate -l service -d 'Service that is deployed [default: from the CI system, otherwise the name of the repository\'s folder]' -r
complete -c dm-migrate -l environment -d 'Environment to deploy to [default: from the CI system, otherwise "development"]' -r
complete -c dm-migrate -l deployment-id -d 'Id of the deployment, the same for all its tools [default: the CI run, otherwise a new id]' -r
complete -c dm-migrate -l app-version -d 'Version that is deployed [default: the tag, otherwise the commit]' -r
complete -c dm-migrate -l commit -d 'Commit that is deployed [default: from the CI system, otherwise from git]' -r
complete -c dm-migrate -l run-url -d 'Page of the CI run [default: from the CI system]' -r
complete -c dm-migrate -l textfile -d 'Metrics file for node_exporter\'s textfile collector; the name must end in .prom' -r
complete -c dm-migrate -l state-dir -d 'State directory with the journal [default: $XDG_STATE_HOME/dm, else ~/.local/state/dm]' -r
complete -c dm-migrate -l state-url -d 'Where the state is that all machines share: file:///folder, s3://bucket/prefix, gs://bucket/prefix, az://container/prefix, or git+https://host/repository.git#refs/dm/state' -r
complete -c dm-migrate -l export-budget -d 'How long exporting may take after the work [default: 2s]' -r
complete -c dm-migrate -l export -d 'Who pushes the event of a stage: "detached", a process that goes on when the tool has ended; or "foreground", the tool itself, for a machine that kills such processes [default: detached]' -r
complete -c dm-migrate -l pushgateway-url -d 'Pushgateway to push to, or "disabled" [default: disabled]' -r
complete -c dm-migrate -l pushgateway-user -d 'User for basic authentication' -r
complete -c dm-migrate -l pushgateway-password -d 'Password for basic authentication, or file:PATH; do not put it on the command line' -r
complete -c dm-migrate -l pushgateway-token -d 'Bearer token, or file:PATH; do not put it on the command line' -r
complete -c dm-migrate -l pushgateway-headers -d 'Additional headers, one NAME: VALUE per line; or file:PATH' -r
complete -c dm-migrate -l pushgateway-ca -d 'Also trust the certificates in this PEM file' -r
complete -c dm-migrate -l pushgateway-cert -d 'PEM file with the client certificate and its key' -r
complete -c dm-migrate -l require-export -d 'Exit with 125 if the event could not be pushed' -r
complete -c dm-migrate -l may-outlive -d 'Let the command continue if this tool is killed by SIGKILL or for lack of memory; otherwise the command gets TERM'
complete -c dm-migrate -l status -d 'On a terminal, show a live status line: the elapsed time, the version before, the sessions that block the migration or wait behind it, and its progress'
complete -c dm-migrate -l autocommit -d 'With --check: each statement is a transaction of its own, as with psql -f. Otherwise a file that does not say how it is run is taken for one transaction'
complete -c dm-migrate -l require-monitor -d 'Exit with 125, without running the command, if the database cannot be monitored'
complete -c dm-migrate -l expect-change -d 'Exit with 1 if the version of the schema has not changed, or if it is unknown'
complete -c dm-migrate -l watch-only -d 'Only watch: the command gets no environment variables for its sessions, and none of its statements is cancelled'
complete -c dm-migrate -l allow-unvalidated -d 'Do not fail if the migration leaves a constraint that is not validated'
complete -c dm-migrate -l terminate-blockers -d 'PostgreSQL: terminate sessions that block the migration, if they match --blocker-state and --blocker-min-age'
complete -c dm-migrate -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dm-migrate -s V -l version -d 'Print version'
