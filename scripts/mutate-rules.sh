#!/usr/bin/env bash
# Mutation testing of the alerting rules: changes each alert in many small ways and lists the changes that the rules' tests
# do not detect. Takes minutes.
#
#   scripts/mutate-rules.sh [PART OF AN ALERT'S NAME]
#
# Fails if a change is not detected, unless tests/monitoring/mutants.rs lists it as equivalent to the original rule.
set -euo pipefail
cd "$(dirname "$0")/.."
DM_MUTATE=${1:-} exec cargo test -q -p testkit --test monitoring -- --ignored --nocapture mutants
