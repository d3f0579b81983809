complete -c dm-health -l url -d 'What to poll: http:// and https:// with GET, where a user and a password become a Basic authorization; tcp://host:port by connecting; grpc://host:port/service and grpcs:// by the standard health protocol; exec:\'program argument\' by running it, without a shell. May be given again: several targets are healthy when all are at once, and unhealthy when one is' -r
complete -c dm-health -l name -d 'A short name for the one target [default: its host]' -r
complete -c dm-health -l expect-status -d 'The status of a healthy answer, a code or a class: 204, 2xx; several with commas. Redirects are not followed' -r
complete -c dm-health -l expect-header -d 'A header of a healthy answer, \'NAME: VALUE\', such as the version that has to answer; may be given again' -r
complete -c dm-health -l expect-body -d 'A text in the body of a healthy answer, in its first MiB' -r
complete -c dm-health -l expect-body-regex -d 'A regular expression that matches in that part of the body, such as \'"version": *"1\\.4\\.\'' -r
complete -c dm-health -l expect-json -d 'What the body has to hold as JSON: a JSONPath (RFC 9535), alone or with == != < <= > >= =~ and a JSON value, such as \'$.version == "42"\'; may be given again' -r
complete -c dm-health -l expect-version -d 'The version that has to answer, so that an old instance that is still there does not pass for the new one' -r
complete -c dm-health -l version-at -d 'Where an answer names its version: header:NAME, json:JSONPATH, or body, where it is a word of its own' -r
complete -c dm-health -l min-cert-days -d 'So many days are left until the certificate ends, of any that the server sends' -r
complete -c dm-health -l max-latency -d 'A whole answer that takes longer is a failure' -r
complete -c dm-health -l max-fail -d 'So many failures in a row prove it unhealthy. In a row, because one failed probe now and then is normal: of 300 probes that each fail with a chance of 2 %, five will fail in most runs, and five in a row in hardly any' -r
complete -c dm-health -l fail-rate -d 'So many failures among the last probes prove it unhealthy too, such as 5/20: for what fails now and then' -r
complete -c dm-health -l min-success -d 'So many successes in a row prove it healthy' -r
complete -c dm-health -l interval -d 'From one probe to the next; a slow probe does not move those after it' -r
complete -c dm-health -l jitter -d 'Send each probe later by a random time of up to this, so that many that poll do not knock at once' -r
complete -c dm-health -l timeout -d 'For one probe, from resolving the name to the end of the answer' -r
complete -c dm-health -l grace -d 'Probes sent in this first time may fail, until it is healthy: they count neither towards --max-fail nor towards --fail-rate. The --watch after that has no grace' -r
complete -c dm-health -l deadline -d 'Give up where it is not healthy after this time [default: never]' -r
complete -c dm-health -l watch -d 'Once healthy, go on for this time, and until no failure is pending: --max-fail in a row still prove it unhealthy' -r
complete -c dm-health -l format -d 'The form of stdout [default: human on a terminal, jsonl on a pipe]' -r -f -a "human\t'Sentences for people; in colours on a terminal, unless NO_COLOR is set'
jsonl\t'JSON Lines, a record a line'"
complete -c dm-health -l service -d 'What is deployed [default: from the CI system, else the repository\'s folder]' -r
complete -c dm-health -l environment -d 'Where it is deployed to [default: from the CI system, else "development"]' -r
complete -c dm-health -l deployment-id -d 'Names the deployment; the same for all tools in it [default: the CI run, else a new one]' -r
complete -c dm-health -l app-version -d 'The version that is deployed [default: the tag, else the commit]' -r
complete -c dm-health -l commit -d 'The commit that is deployed [default: from the CI system, else git]' -r
complete -c dm-health -l run-url -d 'The page of the CI run [default: from the CI system]' -r
complete -c dm-health -l textfile -d 'A metrics file for node_exporter\'s textfile collector; its name has to end in .prom' -r
complete -c dm-health -l state-dir -d 'The folder of the journal [default: $XDG_STATE_HOME/dm, else ~/.local/state/dm]' -r
complete -c dm-health -l export-budget -d 'What exporting may take after the work [default: 2s]' -r
complete -c dm-health -l pushgateway-url -d 'The Pushgateway to push to, or "disabled" [default: disabled]' -r
complete -c dm-health -l pushgateway-user -d 'The user for basic authentication' -r
complete -c dm-health -l pushgateway-password -d 'Its password: better in the variable, or as file:PATH, than on the command line' -r
complete -c dm-health -l pushgateway-token -d 'A bearer token: better in the variable, or as file:PATH, than on the command line' -r
complete -c dm-health -l pushgateway-headers -d 'More headers, NAME: VALUE, one a line; or file:PATH' -r
complete -c dm-health -l pushgateway-ca -d 'Trust the certificates in this PEM file too' -r
complete -c dm-health -l pushgateway-cert -d 'A PEM file with the client\'s certificate and its key' -r
complete -c dm-health -l require-export -d 'End with 125 if what happened could not be pushed' -r
complete -c dm-health -l reuse -d 'Keep the connection of an HTTP probe for the next [default: a new one for each, as a new client has]'
complete -c dm-health -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dm-health -s V -l version -d 'Print version'
