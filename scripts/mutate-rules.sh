#!/usr/bin/env bash
# Breaks every alert in every small way, and tells which faults the rules' tests would not notice. Takes minutes.
#
#   scripts/mutate-rules.sh [PART OF AN ALERT'S NAME]
#
# Fails where a fault is not noticed that is not on the list of those that cannot be, in tests/monitoring/mutants.rs.
set -euo pipefail
cd "$(dirname "$0")/.."
DM_MUTATE=${1:-} exec cargo test -q -p testkit --test monitoring -- --ignored --nocapture mutants
