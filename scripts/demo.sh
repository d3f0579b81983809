#!/usr/bin/env bash
# Deploys a good version of a small service, and then a bad one whose orders fail in 30 % of the cases. dm detects the bad
# version while it watches it and rolls it back. Then the demo checks that the good version serves again.
#
# Needs only Rust and a C compiler (if there is none, it installs gcc with apt-get): no Pushgateway, no database server. If
# PUSHGATEWAY_URL is set, the demo also pushes metrics there. After the build it takes less than a minute. It stops its
# processes at the end and keeps its records.
set -euo pipefail
cd "$(dirname "$0")/.."

heading() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || heading() { printf '\n%s\n' "$*"; }
fail() { printf 'demo.sh: %s\n' "$*" >&2; exit 1; }

command -v cargo > /dev/null || fail "needs Rust: install it from https://rustup.rs"
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
command -v cc > /dev/null || { as_root apt-get -qq update && as_root apt-get -qq install -y gcc libc6-dev; } ||
    fail "needs a C compiler: run apt-get install gcc libc6-dev"

heading "Building"
cargo build --locked --workspace --bins
PATH=$(cd "${CARGO_TARGET_DIR:-target}/debug" && pwd):$PATH
export PATH

demo=$(mktemp -d -t dm-demo.XXXXXX)
platform=$PWD/scripts/sample/platform.sh
# Ignore the settings of this machine, so that they do not affect the demo.
unset DM_SERVICE DM_PARENT_STAGE DM_COMMIT DM_RUN_URL TRACEPARENT
export SAMPLE_DIR=$demo/platform DM_STATE_DIR=$demo/state DM_TEXTFILE=$demo/dm.prom DM_ENVIRONMENT=demo
trap '"$platform" stop' EXIT
"$platform" init

# Deploys a version and checks the exit code.
deploy() {
    local version=$1 expected=$2 code=0
    DM_VERSION=$version DM_DEPLOYMENT_ID=demo-v$version \
        ./scripts/deploy-all.sh --config scripts/sample/deploy.env || code=$?
    [ "$code" = "$expected" ] || fail "the deployment of version $version exited with $code instead of $expected"
}

heading "Version 1: good"
deploy 1 0

heading "Version 2: 30 % of its orders fail"
SAMPLE_FLAGS="--error-percent 30" deploy 2 10

heading "The live version"
url=http://$(<"$SAMPLE_DIR/api.address")
cat > "$demo/after.toml" <<'SUITE'
[[test]]
name = "version 1 serves again"
http = { url = "/version" }
expect = { body_contains = "1" }
SUITE
DM_DEPLOYMENT_ID=demo-after dm-smoke "$demo/after.toml" --base-url "$url" --format human

heading "Timelines of both deployments"
dm-stage --timeline demo-v1
printf '\n'
dm-stage --timeline demo-v2

heading "Records"
printf 'journal   %s\nmetrics   %s\n' "$DM_STATE_DIR/journal.jsonl" "$DM_TEXTFILE"
[ "${PUSHGATEWAY_URL:-disabled}" = disabled ] || printf 'metrics   also pushed to PUSHGATEWAY_URL\n'
