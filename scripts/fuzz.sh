#!/usr/bin/env bash
# Tries to make the parsers panic: those of suites, filters, TAP, JUnit XML, JSONPaths, secrets, records, access logs, webhooks, and of the
# Pushgateway's answers. Each property gets a million random or damaged inputs, or the given number; test.sh gives it 256.
# Takes about ten minutes after the build. The shortest input that fails is printed.
#
#   scripts/fuzz.sh [CASES]
#
# PROPTEST_RNG_SEED, a number, makes the inputs reproducible.
set -euo pipefail
cd "$(dirname "$0")/.."
export PROPTEST_CASES=${1:-1000000}
export PROPTEST_RNG_SEED=${PROPTEST_RNG_SEED:-$((RANDOM << 15 | RANDOM))}
# The names of the properties, in any module. A property that is renamed has to be renamed here, too.
names='any_text_is_read_or_refused|any_bytes_are_an_error_and_not_a_panic|arbitrary_bytes_never_panic|no_input_panics'
names+='|[a-z_]*_broken_anywhere_is_read_or_refused'
expected=14

fail() { printf 'fuzz.sh: %s\n' "$*" >&2; exit 1; }

printf 'seed %s, %s cases per property\n' "$PROPTEST_RNG_SEED" "$PROPTEST_CASES"
cargo test --quiet --release --locked --workspace --lib --no-run
mapfile -t packages < <(sed -n 's/^name = "\(.*\)"$/\1/p' crates/*/Cargo.toml | sort -u)
count=0
for package in "${packages[@]}"; do
    tests=$(cargo test --quiet --release --locked --lib -p "$package" -- --list)
    while read -r property; do
        started=$SECONDS
        # The limit ends an input that makes a parser hang.
        output=$(timeout 30m cargo test --quiet --release --locked --lib -p "$package" -- --exact "$property" 2>&1) ||
            fail "$package $property FAILED or did not end within 30 minutes (seed $PROPTEST_RNG_SEED):"$'\n'"$output"
        count=$((count + 1))
        printf '%4d s: %s %s\n' "$((SECONDS - started))" "$package" "$property"
    done < <(sed -nE "s/^(.*::)?(($names)): test\$/\1\2/p" <<< "$tests")
done
[ "$count" -ge "$expected" ] || fail "found $count properties, not the $expected that there were: was one renamed?"
