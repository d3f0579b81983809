complete -c dm-smoke -l from-openapi -d 'With --new: write a suite for a service that is described so, in JSON or YAML (OpenAPI 3 or Swagger 2): one test for each GET operation' -r -F
complete -c dm-smoke -l from-hurl -d 'Run no tests; write the suite that a Hurl file is to stdout. What a suite cannot say is listed on stderr, with its line, and makes the exit code 1' -r -F
complete -c dm-smoke -l from-postman -d 'The same for a Postman collection, version 2, with its scripts as far as a suite can say what they do. Secrets become variables of the environment' -r -F
complete -c dm-smoke -l from-junit -d 'Run no tests; import the JUnit XML reports of another runner, such as hurl, pytest, jest or gotestsum: files, or patterns such as \'reports/TEST-*.xml\'; - is stdin' -r -F
complete -c dm-smoke -l from-tap -d 'Run no tests; import the TAP reports of another runner, such as node, bats, vitest or hurl: files or patterns; - is stdin' -r -F
complete -c dm-smoke -l runner-exit -d 'Exit code of the runner whose reports are imported. If it is not 0 although no test in the reports failed, the result is inconclusive: the runner knows of a problem that its reports do not contain' -r
complete -c dm-smoke -l name -d 'Name of the suite for imported results [default: the name of the file; for stdin and several files, tap or junit]' -r
complete -c dm-smoke -l base-url -d 'Base of the suite\'s relative URLs; http or https' -r
complete -c dm-smoke -l jobs -d 'Maximum number of tests that run at once; the output keeps the suite\'s order' -r
complete -c dm-smoke -l timeout -d 'Time limit of each attempt of a test, unless the test sets its own' -r
complete -c dm-smoke -l retries -d 'Number of retries of a test that does not pass, unless the test sets its own; if a retry passes, the test is flaky' -r
complete -c dm-smoke -l retry-delay -d 'Pause before each retry' -r
complete -c dm-smoke -l flaky -d 'How a flaky test counts in the exit code' -r -f -a "pass\t'As passed'
fail\t'As failed'"
complete -c dm-smoke -l max-fail -d 'Start no further tests after N tests failed' -r
complete -c dm-smoke -l deadline -d 'Time limit of the whole run; tests that have not finished by then are skipped' -r
complete -c dm-smoke -l filter -d 'Run only the tests whose names match, and the tests that they depend on' -r
complete -c dm-smoke -l tag -d 'Run only the tests with this tag, and the tests that they depend on; if repeated, with any of the tags' -r
complete -c dm-smoke -l format -d 'Format of stdout [default: human on a terminal, else jsonl]' -r -f -a "human\t'A line for each test, and a summary; in colour on a terminal unless NO_COLOR is set'
jsonl\t'JSON Lines: one record for the start, for each test and for the end'
tap\t'The Test Anything Protocol, version 14'
junit\t'JUnit XML, written at the end'"
complete -c dm-smoke -l report -d 'Also write a report to a file, atomically, for example junit=smoke.xml; can be repeated' -r
complete -c dm-smoke -l service -d 'Service that is deployed [default: from the CI system, otherwise the name of the repository\'s folder]' -r
complete -c dm-smoke -l environment -d 'Environment to deploy to [default: from the CI system, otherwise "development"]' -r
complete -c dm-smoke -l deployment-id -d 'Id of the deployment, the same for all its tools [default: the CI run, otherwise a new id]' -r
complete -c dm-smoke -l app-version -d 'Version that is deployed [default: the tag, otherwise the commit]' -r
complete -c dm-smoke -l commit -d 'Commit that is deployed [default: from the CI system, otherwise from git]' -r
complete -c dm-smoke -l run-url -d 'Page of the CI run [default: from the CI system]' -r
complete -c dm-smoke -l textfile -d 'Metrics file for node_exporter\'s textfile collector; the name must end in .prom' -r
complete -c dm-smoke -l state-dir -d 'State directory with the journal [default: $XDG_STATE_HOME/dm, else ~/.local/state/dm]' -r
complete -c dm-smoke -l state-url -d 'Where the state is that all machines share: file:///folder, s3://bucket/prefix, gs://bucket/prefix, az://container/prefix, or git+https://host/repository.git#refs/dm/state' -r
complete -c dm-smoke -l export-budget -d 'How long exporting may take after the work [default: 2s]' -r
complete -c dm-smoke -l export -d 'Who pushes the event of a stage: "detached", a process that goes on when the tool has ended; or "foreground", the tool itself, for a machine that kills such processes [default: detached]' -r
complete -c dm-smoke -l pushgateway-url -d 'Pushgateway to push to, or "disabled" [default: disabled]' -r
complete -c dm-smoke -l pushgateway-user -d 'User for basic authentication' -r
complete -c dm-smoke -l pushgateway-password -d 'Password for basic authentication, or file:PATH; do not put it on the command line' -r
complete -c dm-smoke -l pushgateway-token -d 'Bearer token, or file:PATH; do not put it on the command line' -r
complete -c dm-smoke -l pushgateway-headers -d 'Additional headers, one NAME: VALUE per line; or file:PATH' -r
complete -c dm-smoke -l pushgateway-ca -d 'Also trust the certificates in this PEM file' -r
complete -c dm-smoke -l pushgateway-cert -d 'PEM file with the client certificate and its key' -r
complete -c dm-smoke -l require-export -d 'Exit with 125 if the event could not be pushed' -r
complete -c dm-smoke -l new -d 'Write an example of a suite, with comments, to stdout, or to SUITE, which must not exist'
complete -c dm-smoke -l reuse -d 'Reuse connections [default: each test opens its own, so that no test depends on another\'s]'
complete -c dm-smoke -l check -d 'Only validate the suite file'
complete -c dm-smoke -l annotate -d 'Annotate failed tests for GitHub Actions, on stderr'
complete -c dm-smoke -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dm-smoke -s V -l version -d 'Print version'
