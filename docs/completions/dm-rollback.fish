complete -c dm-rollback -l if-error-rate -d 'Roll back if more than this share of the requests failed, in percent' -r
complete -c dm-rollback -l verify-url -d 'Where to see that the rollback worked: three successes in a row [default: what dm-health probed]' -r
complete -c dm-rollback -l verify-deadline -d 'The time in which the service has to be seen to work after the rollback' -r
complete -c dm-rollback -l rollback-timeout -d 'The time limit of the rollback command' -r
complete -c dm-rollback -l format -d 'What to write to stdout [default: human on a terminal, else jsonl]' -r -f -a "human\t'Sentences for people'
jsonl\t'JSON Lines, a record a line'"
complete -c dm-rollback -l service -d 'What is deployed [default: from the CI system, else the repository\'s folder]' -r
complete -c dm-rollback -l environment -d 'Where it is deployed to [default: from the CI system, else "development"]' -r
complete -c dm-rollback -l deployment-id -d 'Names the deployment; the same for all tools in it [default: the CI run, else a new one]' -r
complete -c dm-rollback -l app-version -d 'The version that is deployed [default: the tag, else the commit]' -r
complete -c dm-rollback -l commit -d 'The commit that is deployed [default: from the CI system, else git]' -r
complete -c dm-rollback -l run-url -d 'The page of the CI run [default: from the CI system]' -r
complete -c dm-rollback -l textfile -d 'A metrics file for node_exporter\'s textfile collector; its name has to end in .prom' -r
complete -c dm-rollback -l state-dir -d 'The folder of the journal [default: $XDG_STATE_HOME/dm, else ~/.local/state/dm]' -r
complete -c dm-rollback -l export-budget -d 'What exporting may take after the work [default: 2s]' -r
complete -c dm-rollback -l pushgateway-url -d 'The Pushgateway to push to, or "disabled" [default: disabled]' -r
complete -c dm-rollback -l pushgateway-user -d 'The user for basic authentication' -r
complete -c dm-rollback -l pushgateway-password -d 'Its password: better in the variable, or as file:PATH, than on the command line' -r
complete -c dm-rollback -l pushgateway-token -d 'A bearer token: better in the variable, or as file:PATH, than on the command line' -r
complete -c dm-rollback -l pushgateway-headers -d 'More headers, NAME: VALUE, one a line; or file:PATH' -r
complete -c dm-rollback -l pushgateway-ca -d 'Trust the certificates in this PEM file too' -r
complete -c dm-rollback -l pushgateway-cert -d 'A PEM file with the client\'s certificate and its key' -r
complete -c dm-rollback -l require-export -d 'End with 125 if what happened could not be pushed' -r
complete -c dm-rollback -l if-health-fails -d 'Roll back if dm-health ended as unhealthy'
complete -c dm-rollback -l if-smoke-fails -d 'Roll back if a smoke test failed'
complete -c dm-rollback -l dry-run -d 'Only decide: a rollback that is wanted is told of, and not done (11)'
complete -c dm-rollback -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dm-rollback -s V -l version -d 'Print version'
