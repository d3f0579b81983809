#!/usr/bin/env bash
# Measures the cost of the tools in a release build, as ratios within one run. Takes three minutes after the build.
#
#   scripts/bench.sh [wrapping | health | smoke | rollback]
set -euo pipefail
cd "$(dirname "$0")/.."

[ -e "${CARGO_TARGET_DIR:-target}/test-servers/usr/bin/prometheus-pushgateway" ] ||
    command -v prometheus-pushgateway > /dev/null || {
    printf 'bench.sh: needs prometheus-pushgateway: ./scripts/test.sh installs it\n' >&2
    exit 1
}
cargo build --release --locked --workspace
exec cargo run --quiet --release --locked -p testkit --bin bench -- "$@"
