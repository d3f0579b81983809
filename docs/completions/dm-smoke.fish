complete -c dm-smoke -l from-junit -d 'Run nothing: take over the results that another runner wrote as JUnit XML, such as hurl, pytest, bats, node or gotestsum; - is stdin' -r -F
complete -c dm-smoke -l from-tap -d 'Run nothing: take over the results of a runner that writes TAP, such as node, bats or hurl; - is stdin' -r -F
complete -c dm-smoke -l name -d 'The suite\'s name, for results that are taken over [default: the file\'s name; of stdin, tap or junit]' -r
complete -c dm-smoke -l base-url -d 'What the suite\'s relative URLs are put behind; http or https' -r
complete -c dm-smoke -l jobs -d 'So many tests run at once; the output keeps the suite\'s order' -r
complete -c dm-smoke -l timeout -d 'The time limit of a test that has none of its own' -r
complete -c dm-smoke -l retries -d 'How often a test that did not pass is tried again, where it does not say so itself; passed then, it is flaky' -r
complete -c dm-smoke -l retry-delay -d 'The time before a test is tried again' -r
complete -c dm-smoke -l flaky -d 'What a flaky test is for the exit code' -r -f -a "pass\t'As good as one that passed at once'
fail\t'As bad as one that never passed'"
complete -c dm-smoke -l max-fail -d 'Begin no more tests once so many did not pass' -r
complete -c dm-smoke -l deadline -d 'The time limit of the whole run; what is not finished by then is skipped' -r
complete -c dm-smoke -l filter -d 'Run only tests whose names match, and those that they depend on' -r
complete -c dm-smoke -l tag -d 'Run only tests that have this tag, and those that they depend on; repeated: any of these' -r
complete -c dm-smoke -l format -d 'What stdout carries [default: human on a terminal, else jsonl]' -r -f -a "human\t'A line a test, and a summary; in colours on a terminal, unless NO_COLOR is set'
jsonl\t'JSON Lines: start, test, end'
tap\t'The Test Anything Protocol, version 14'
junit\t'JUnit XML, written at the end'"
complete -c dm-smoke -l report -d 'Also write a report as a file, which is there whole or not at all: junit=smoke.xml; may be repeated' -r
complete -c dm-smoke -l service -d 'What is deployed [default: from the CI system, else the repository\'s folder]' -r
complete -c dm-smoke -l environment -d 'Where it is deployed to [default: from the CI system, else "development"]' -r
complete -c dm-smoke -l deployment-id -d 'Names the deployment; the same for all tools in it [default: the CI run, else a new one]' -r
complete -c dm-smoke -l app-version -d 'The version that is deployed [default: the tag, else the commit]' -r
complete -c dm-smoke -l commit -d 'The commit that is deployed [default: from the CI system, else git]' -r
complete -c dm-smoke -l run-url -d 'The page of the CI run [default: from the CI system]' -r
complete -c dm-smoke -l textfile -d 'A metrics file for node_exporter\'s textfile collector; its name has to end in .prom' -r
complete -c dm-smoke -l state-dir -d 'The folder of the journal [default: $XDG_STATE_HOME/dm, else ~/.local/state/dm]' -r
complete -c dm-smoke -l export-budget -d 'What exporting may take after the work [default: 2s]' -r
complete -c dm-smoke -l pushgateway-url -d 'The Pushgateway to push to, or "disabled" [default: disabled]' -r
complete -c dm-smoke -l pushgateway-user -d 'The user for basic authentication' -r
complete -c dm-smoke -l pushgateway-password -d 'Its password: better in the variable, or as file:PATH, than on the command line' -r
complete -c dm-smoke -l pushgateway-token -d 'A bearer token: better in the variable, or as file:PATH, than on the command line' -r
complete -c dm-smoke -l pushgateway-headers -d 'More headers, NAME: VALUE, one a line; or file:PATH' -r
complete -c dm-smoke -l pushgateway-ca -d 'Trust the certificates in this PEM file too' -r
complete -c dm-smoke -l pushgateway-cert -d 'A PEM file with the client\'s certificate and its key' -r
complete -c dm-smoke -l require-export -d 'End with 125 if what happened could not be pushed' -r
complete -c dm-smoke -l new -d 'Write an example of a suite, with comments: to stdout, or as the file that is named, which must not be there'
complete -c dm-smoke -l reuse -d 'Keep a connection for the next test [default: a new one for each, so that no test depends on another\'s]'
complete -c dm-smoke -l check -d 'Only validate the suite'
complete -c dm-smoke -l annotate -d 'Annotate failures for GitHub Actions, on stderr'
complete -c dm-smoke -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dm-smoke -s V -l version -d 'Print version'
