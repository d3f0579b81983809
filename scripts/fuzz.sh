#!/usr/bin/env bash
# Tries to make the readers of other people's text panic: suites, TAP, JUnit XML, JSONPaths, records, logs, what a gateway
# says. Each property is tried with a million texts, or with the number that is given; test.sh tries them with 256.
# Takes about ten minutes after the build. A text that fails is told, made as short as it can be.
set -euo pipefail
cd "$(dirname "$0")/.."
export PROPTEST_CASES=${1:-1000000}

properties=(
    "dm-smoke suite_file::tests::any_text_is_read_or_refused"
    "dm-smoke suite_file::tests::the_example_broken_anywhere_is_read_or_refused"
    "dm-smoke template::tests::any_text_is_read_or_refused"
    "dm-smoke foreign::tap::tests::any_text_is_read_or_refused"
    "dm-smoke foreign::tap::tests::a_real_report_broken_anywhere_is_read_or_refused"
    "dm-smoke foreign::junit::tests::any_text_is_read_or_refused"
    "dm-smoke foreign::junit::tests::a_real_report_broken_anywhere_is_read_or_refused"
    "http-expect json::tests::any_text_is_read_or_refused"
    "common metrics::parse::tests::no_text_makes_it_panic"
    "dm-rollback evidence::tests::any_bytes_are_answered"
    "dm-rollback source::access_log::tests::any_bytes_are_answered"
    "dm-rollback webhook::tests::any_bytes_are_answered"
)

cargo test --quiet --release --locked --lib -p common -p dm-rollback -p dm-smoke --no-run
for property in "${properties[@]}"; do
    read -r crate name <<< "$property"
    started=$SECONDS
    # One that hangs has failed.
    if ! out=$(timeout 30m cargo test --quiet --release --locked --lib -p "$crate" -- --exact "$name" 2>&1) ||
        ! grep -q '^test result: ok. 1 passed' <<< "$out"; then
        printf '%s\nfuzz.sh: %s failed, or is not there\n' "$out" "$name" >&2
        exit 1
    fi
    printf '%s cases in %4d s: %s %s\n' "$PROPTEST_CASES" "$((SECONDS - started))" "$crate" "$name"
done
