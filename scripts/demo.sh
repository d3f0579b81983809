#!/usr/bin/env bash
# Deploys a good version of a small service, and then a bad one: 30 % of its orders fail. The bad one is found out while
# it is watched, rolled back, and the good one is seen to serve again.
#
# Needs Rust and a C compiler, and nothing else: no Pushgateway, no database server. With PUSHGATEWAY_URL set it pushes
# there too. After the build it takes less than a minute. What it recorded is kept; the processes are not.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }
fail() { printf 'demo.sh: %s\n' "$*" >&2; exit 1; }

command -v cargo > /dev/null || fail "needs Rust: https://rustup.rs"
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
command -v cc > /dev/null || { as_root apt-get -qq update && as_root apt-get -qq install -y gcc libc6-dev; } ||
    fail "needs a C compiler: apt-get install gcc libc6-dev"

say "Building"
cargo build --locked --workspace --bins
PATH=$(cd "${CARGO_TARGET_DIR:-target}/debug" && pwd):$PATH
export PATH

demo=$(mktemp -d -t dm-demo.XXXXXX)
platform=$PWD/scripts/sample/platform.sh
# What this machine is set up for must not be mixed with the demo.
unset DM_SERVICE DM_PARENT_STAGE DM_COMMIT DM_RUN_URL TRACEPARENT
export SAMPLE_DIR=$demo/platform DM_STATE_DIR=$demo/state DM_TEXTFILE=$demo/dm.prom DM_ENVIRONMENT=demo
trap '"$platform" stop' EXIT
"$platform" init

# Deploys a version and expects an exit code.
deploy() {
    local version=$1 expected=$2 code=0
    DM_VERSION=$version DM_DEPLOYMENT_ID=demo-v$version \
        ./scripts/deploy-all.sh --config scripts/sample/deploy.env || code=$?
    [ "$code" = "$expected" ] || fail "version $version's deployment ended with $code, not $expected"
}

say "Version 1: good"
deploy 1 0

say "Version 2: 30 % of its orders fail"
SAMPLE_FLAGS="--error-percent 30" deploy 2 10

say "What is live now"
url=http://$(<"$SAMPLE_DIR/api.address")
cat > "$demo/after.toml" <<'SUITE'
[[test]]
name = "version 1 serves again"
http = { url = "/version" }
expect = { body_contains = "1" }
SUITE
DM_DEPLOYMENT_ID=demo-after dm-smoke "$demo/after.toml" --base-url "$url" --format human

say "What happened"
dm-stage --timeline demo-v1
printf '\n'
dm-stage --timeline demo-v2

say "Where it is recorded"
printf 'journal   %s\nmetrics   %s\n' "$DM_STATE_DIR/journal.jsonl" "$DM_TEXTFILE"
[ "${PUSHGATEWAY_URL:-disabled}" = disabled ] || printf 'gateway   the one that PUSHGATEWAY_URL names\n'
