complete -c dm-stage -l timeout -d 'End the command after this time: TERM to it and all it started, then KILL' -r
complete -c dm-stage -l kill-after -d 'The time between TERM and KILL' -r
complete -c dm-stage -l allow-exit -d 'Exit codes of the command that are recorded as a success, beside 0: 1,3. The code is passed on all the same' -r
complete -c dm-stage -l retries -d 'Try the command again so often where it fails; --timeout is for each attempt. Not where it cannot be started' -r
complete -c dm-stage -l retry-delay -d 'How long before it is tried again' -r
complete -c dm-stage -l tail -d 'Keep so many of the last lines of its stderr in the journal, without secrets; its stderr is then a pipe' -r
complete -c dm-stage -l error-pattern -d 'The class of the error where a line of stderr matches, such as \'could not obtain lock=lock_timeout\'; its stderr is then a pipe; may be given again, the first that matches counts' -r
complete -c dm-stage -l skip -d 'Run nothing, and record the stage as skipped for this reason; an empty reason skips nothing' -r
complete -c dm-stage -l github -d 'In GitHub Actions: any of group (fold the output), error (annotate a failure), summary (add a row to the step\'s)' -r
complete -c dm-stage -l finish -d 'Only record that a stage begun with --start ended: success, failure, error, timeout, cancelled, skipped' -r
complete -c dm-stage -l timeline -d 'Print what a deployment did, from the journal: the one named, else the last' -r
complete -c dm-stage -l service -d 'What is deployed [default: from the CI system, else the repository\'s folder]' -r
complete -c dm-stage -l environment -d 'Where it is deployed to [default: from the CI system, else "development"]' -r
complete -c dm-stage -l deployment-id -d 'Names the deployment; the same for all tools in it [default: the CI run, else a new one]' -r
complete -c dm-stage -l app-version -d 'The version that is deployed [default: the tag, else the commit]' -r
complete -c dm-stage -l commit -d 'The commit that is deployed [default: from the CI system, else git]' -r
complete -c dm-stage -l run-url -d 'The page of the CI run [default: from the CI system]' -r
complete -c dm-stage -l textfile -d 'A metrics file for node_exporter\'s textfile collector; its name has to end in .prom' -r
complete -c dm-stage -l state-dir -d 'The folder of the journal [default: $XDG_STATE_HOME/dm, else ~/.local/state/dm]' -r
complete -c dm-stage -l export-budget -d 'What exporting may take after the work [default: 2s]' -r
complete -c dm-stage -l pushgateway-url -d 'The Pushgateway to push to, or "disabled" [default: disabled]' -r
complete -c dm-stage -l pushgateway-user -d 'The user for basic authentication' -r
complete -c dm-stage -l pushgateway-password -d 'Its password: better in the variable, or as file:PATH, than on the command line' -r
complete -c dm-stage -l pushgateway-token -d 'A bearer token: better in the variable, or as file:PATH, than on the command line' -r
complete -c dm-stage -l pushgateway-headers -d 'More headers, NAME: VALUE, one a line; or file:PATH' -r
complete -c dm-stage -l pushgateway-ca -d 'Trust the certificates in this PEM file too' -r
complete -c dm-stage -l pushgateway-cert -d 'A PEM file with the client\'s certificate and its key' -r
complete -c dm-stage -l require-export -d 'End with 125 if what happened could not be pushed' -r
complete -c dm-stage -l may-outlive -d 'Let the command go on where this tool is killed, by SIGKILL or out of memory; else it gets a TERM'
complete -c dm-stage -l status -d 'On a terminal, show one live line at its foot: the stage, for how long it runs, and how long it took last time'
complete -c dm-stage -l start -d 'Only record that the stage starts; prints the variables for the tools and machines that go on'
complete -c dm-stage -l flush -d 'Send what could not be sent before, and make sure of what was'
complete -c dm-stage -s h -l help -d 'Print help'
complete -c dm-stage -s V -l version -d 'Print version'
