complete -c dm-migrate -l timeout -d 'End the command after this time: TERM to it and all it started, then KILL' -r
complete -c dm-migrate -l kill-after -d 'The time between TERM and KILL' -r
complete -c dm-migrate -l on-failure -d 'Run this once where the migration failed, such as \'./restore.sh --last\'; without a shell. Changes no exit code' -r
complete -c dm-migrate -l database-url -d 'The database to watch: better in the variable, or as file:PATH, than on the command line' -r
complete -c dm-migrate -l expect-version -d 'End with 1 where the schema is not at this version afterwards, or that cannot be known' -r
complete -c dm-migrate -l lock-timeout -d 'A statement of the migration gives up after waiting so long for a lock; 0s: never [default: 5s; with MySQL: never]' -r
complete -c dm-migrate -l lock-retries -d 'Run the command again, so often at most, where it failed only by --lock-timeout and the version has not moved' -r
complete -c dm-migrate -l blocker-state -d 'Only those in this state' -r
complete -c dm-migrate -l blocker-min-age -d 'Only those that have been in it for so long' -r
complete -c dm-migrate -l service -d 'What is deployed [default: from the CI system, else the repository\'s folder]' -r
complete -c dm-migrate -l environment -d 'Where it is deployed to [default: from the CI system, else "development"]' -r
complete -c dm-migrate -l deployment-id -d 'Names the deployment; the same for all tools in it [default: the CI run, else a new one]' -r
complete -c dm-migrate -l app-version -d 'The version that is deployed [default: the tag, else the commit]' -r
complete -c dm-migrate -l commit -d 'The commit that is deployed [default: from the CI system, else git]' -r
complete -c dm-migrate -l run-url -d 'The page of the CI run [default: from the CI system]' -r
complete -c dm-migrate -l textfile -d 'A metrics file for node_exporter\'s textfile collector; its name has to end in .prom' -r
complete -c dm-migrate -l state-dir -d 'The folder of the journal [default: $XDG_STATE_HOME/dm, else ~/.local/state/dm]' -r
complete -c dm-migrate -l export-budget -d 'What exporting may take after the work [default: 2s]' -r
complete -c dm-migrate -l pushgateway-url -d 'The Pushgateway to push to, or "disabled" [default: disabled]' -r
complete -c dm-migrate -l pushgateway-user -d 'The user for basic authentication' -r
complete -c dm-migrate -l pushgateway-password -d 'Its password: better in the variable, or as file:PATH, than on the command line' -r
complete -c dm-migrate -l pushgateway-token -d 'A bearer token: better in the variable, or as file:PATH, than on the command line' -r
complete -c dm-migrate -l pushgateway-headers -d 'More headers, NAME: VALUE, one a line; or file:PATH' -r
complete -c dm-migrate -l pushgateway-ca -d 'Trust the certificates in this PEM file too' -r
complete -c dm-migrate -l pushgateway-cert -d 'A PEM file with the client\'s certificate and its key' -r
complete -c dm-migrate -l require-export -d 'End with 125 if what happened could not be pushed' -r
complete -c dm-migrate -l may-outlive -d 'Let the command go on where this tool is killed, by SIGKILL or out of memory; else it gets a TERM'
complete -c dm-migrate -l status -d 'On a terminal, show one live line at its foot: for how long it runs, from which version, for whom it waits, who waits behind it, how far it is'
complete -c dm-migrate -l require-monitor -d 'Do not run the command where the database cannot be watched: end with 125'
complete -c dm-migrate -l expect-change -d 'End with 1 where the schema\'s version is what it was before, or that cannot be known'
complete -c dm-migrate -l advisory-lock -d 'Let no other dm-migrate with this flag change this database meanwhile: end with 75 where one does'
complete -c dm-migrate -l terminate-blockers -d 'PostgreSQL: end the sessions that block the migration, if they are as --blocker-state and --blocker-min-age say'
complete -c dm-migrate -s h -l help -d 'Print help'
complete -c dm-migrate -s V -l version -d 'Print version'
