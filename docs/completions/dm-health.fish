complete -c dm-health -l url -d 'Target: http:// or https:// (GET; user and password become basic authentication), tcp://host:port (connect), grpc:// or grpcs://host:port/service (standard health service), exec:\'program argument\' (run without a shell), dns:name or dns://server/name, udp://host:port?send=TEXT&expect=TEXT, redis:// or rediss://host, postgres://host/database, mysql://host/database (see below). Can be repeated: several targets are healthy if all are at the same time, and unhealthy if one is' -r
complete -c dm-health -l control-url -d 'Target that is observed at the same time for comparison: the previous version, or the rest of the fleet. It is probed in the same turns with the same expectations, except for --expect-version, and decides nothing here: its records are for dm-rollback. Can be repeated' -r
complete -c dm-health -l name -d 'Name of the target, if there is only one [default: its host]' -r
complete -c dm-health -l header -d 'Header of the requests, \'NAME: VALUE\', for HTTP targets, and metadata for gRPC; can be repeated. It replaces a default, such as Host' -r
complete -c dm-health -l method -d 'Method of the requests, for HTTP targets [default: GET]' -r
complete -c dm-health -l expect-status -d 'Status of a healthy response, a code or a class: 204, 2xx; separate several by commas. Redirects are not followed [default: 2xx]' -r
complete -c dm-health -l expect-header -d 'Header of a healthy response, \'NAME: VALUE\'; can be repeated' -r
complete -c dm-health -l expect-body -d 'Text in the body of a healthy response, in its first MiB; can be repeated' -r
complete -c dm-health -l expect-body-regex -d 'Regular expression that matches in the first MiB of the body, such as \'"version": *"1\\.4\\.\'; can be repeated' -r
complete -c dm-health -l reject-body -d 'Text that the first MiB of the body of a healthy response does not contain; can be repeated' -r
complete -c dm-health -l expect-json -d 'Expectation about a JSON body: a JSONPath (RFC 9535), alone or with == != < <= > >= =~ and a JSON value, such as \'$.version == "42"\'; can be repeated' -r
complete -c dm-health -l expect-version -d 'Version that must respond, so that an old instance does not count as the new one' -r
complete -c dm-health -l version-at -d 'Where a response contains its version: json:JSONPATH, header:NAME, or body:REGEX (its first group, or the whole match). Every record of a probe then names the version that answered, also after a failure. With --expect-version also body, as a separate word [default with --expect-version: body]' -r
complete -c dm-health -l min-cert-days -d 'Minimum number of days until a certificate of the server expires, or one between it and the authority' -r
complete -c dm-health -l max-latency -d 'Maximum time for a complete response; a slower one is a failure' -r
complete -c dm-health -l max-fail -d 'Consecutive failures that prove a target unhealthy. Consecutive, because single failures are normal: of 300 probes that fail with a probability of 2 % each, five fail in most runs, but five in a row in hardly any. They also end a --watch, but only if this flag is given [default: 5; with --deadline, from the first success on]' -r
complete -c dm-health -l fail-rate -d 'Failures among the last probes that also prove a target unhealthy, such as 5/20: for intermittent failures' -r
complete -c dm-health -l min-success -d 'Consecutive successes that prove a target healthy' -r
complete -c dm-health -l interval -d 'Time from one probe to the next; a slow probe does not delay later ones [default: 1s; 500ms in a --watch whose records are judged by their reader, so that a healthy version is proven in one to two minutes]' -r
complete -c dm-health -l jitter -d 'Maximum random delay of each probe, so that many pollers do not probe at the same time' -r
complete -c dm-health -l timeout -d 'Time limit of one probe, from resolving the name to the end of the response' -r
complete -c dm-health -l grace -d 'Grace time after the start: until the service is healthy, failures of probes sent in this time do not count towards --max-fail or --fail-rate. The --watch after that has no grace time' -r
complete -c dm-health -l deadline -d 'Give up if not healthy by then [default: never]. Without --max-fail, a target may fail until then: only after its first success do 5 failures in a row prove it unhealthy' -r
complete -c dm-health -l watch -d 'After it is healthy, keep watching: for a fixed time, such as 5m, or for MIN..MAX, such as 60s..10m. Then dm-rollback ends the watch after MIN as soon as the version is proven good, and before if it is proven bad. MIN is the time that a fault may take to show. The watch continues through failures, unless --max-fail is given. If the last probe failed, it is extended by up to 40s, until 10s have passed without a failure' -r
complete -c dm-health -l format -d 'Format of stdout [default: human on a terminal, jsonl in a pipe]' -r -f -a "human\t'Sentences to read; in colour on a terminal unless NO_COLOR is set'
jsonl\t'JSON Lines: one record per line'"
complete -c dm-health -l service -d 'Service that is deployed [default: from the CI system, otherwise the name of the repository\'s folder]' -r
complete -c dm-health -l environment -d 'Environment to deploy to [default: from the CI system, otherwise "development"]' -r
complete -c dm-health -l deployment-id -d 'Id of the deployment, the same for all its tools [default: the CI run, otherwise a new id]' -r
complete -c dm-health -l app-version -d 'Version that is deployed [default: the tag, otherwise the commit]' -r
complete -c dm-health -l commit -d 'Commit that is deployed [default: from the CI system, otherwise from git]' -r
complete -c dm-health -l run-url -d 'Page of the CI run [default: from the CI system]' -r
complete -c dm-health -l textfile -d 'Metrics file for node_exporter\'s textfile collector; the name must end in .prom' -r
complete -c dm-health -l state-dir -d 'State directory with the journal [default: $XDG_STATE_HOME/dm, else ~/.local/state/dm]' -r
complete -c dm-health -l state-url -d 'Where the state is that all machines share: file:///folder, s3://bucket/prefix, gs://bucket/prefix, az://container/prefix, or git+https://host/repository.git#refs/dm/state' -r
complete -c dm-health -l export-budget -d 'How long exporting may take after the work [default: 2s]' -r
complete -c dm-health -l export -d 'Who pushes the event of a stage: "detached", a process that goes on when the tool has ended; or "foreground", the tool itself, for a machine that kills such processes [default: detached]' -r
complete -c dm-health -l pushgateway-url -d 'Pushgateway to push to, or "disabled" [default: disabled]' -r
complete -c dm-health -l pushgateway-user -d 'User for basic authentication' -r
complete -c dm-health -l pushgateway-password -d 'Password for basic authentication, or file:PATH; do not put it on the command line' -r
complete -c dm-health -l pushgateway-token -d 'Bearer token, or file:PATH; do not put it on the command line' -r
complete -c dm-health -l pushgateway-headers -d 'Additional headers, one NAME: VALUE per line; or file:PATH' -r
complete -c dm-health -l pushgateway-ca -d 'Also trust the certificates in this PEM file' -r
complete -c dm-health -l pushgateway-cert -d 'PEM file with the client certificate and its key' -r
complete -c dm-health -l require-export -d 'Exit with 125 if the event could not be pushed' -r
complete -c dm-health -l reuse -d 'Reuse the connection of an HTTP probe for the next [default: a new connection for each probe]'
complete -c dm-health -l check -d 'Only validate FILE; variables of the environment do not have to be set'
complete -c dm-health -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dm-health -s V -l version -d 'Print version'
