#!/usr/bin/env bash
# Creates data for the pictures of the dashboards: deploys a small service repeatedly, in good and bad versions, with the real
# tools, and pushes to PUSHGATEWAY_URL. Takes a few minutes.
#
#   scripts/stack.sh up && PUSHGATEWAY_URL=http://… DATABASE_URL=postgres://… tests/monitoring/pictures/deployments.sh
#
# Some migrations wait for a lock in the database, which must be a writable PostgreSQL database.
set -euo pipefail
cd "$(dirname "$0")/../../.."
: "${PUSHGATEWAY_URL:?set it to the URL of the Pushgateway}" "${DATABASE_URL:?set it to the URL of a PostgreSQL database}"

programs=$(cd "${CARGO_TARGET_DIR:-target}/debug" && pwd)
work=$(mktemp -d -t dm-pictures.XXXXXX)
export PATH=$programs:$PATH PUSHGATEWAY_URL DM_EXPORT_BUDGET=30s DM_STATE_DIR=$work/state DM_ENVIRONMENT=production
export DM_RUNNER_PRICE_PER_MINUTE=0.008 BASE
cd "$work"
printf '[[test]]\nname = "%s"\nhttp = { url = "%s" }\n' health /health orders /api/orders "orders again" /api/orders > smoke.toml

# serve NAME ERROR_PERCENT LATENCY_MS: starts the service and sets BASE.
serve() {
    sample-service serve --version-name 2 --listen 127.0.0.1:0 --db "$work/$1.db" \
        --error-percent "$2" --latency "$3ms" > "$1.log" 2>&1 &
    services+=("$!")
    until BASE=$(sed -n 's,^listening on ,http://,p' "$1.log") && [ -n "$BASE" ]; do kill -0 "$!" || exit; sleep 0.1; done
}

# deploy BUILD MIGRATE: a deployment as in a team's script.
deploy() {
    dm-stage build -- bash -c "$1"
    dm-stage deploy -- sleep 2
    dm-health --url "$BASE/health" --interval 100ms --min-success 5 --format jsonl > health
    dm-migrate -- bash -c "$2"
    dm-smoke smoke.toml --base-url "$BASE" --format jsonl > smoke || true
    dm-health --url "$BASE/api/orders" --interval 20ms --watch 8s --max-fail 500 --format jsonl |
        dm-rollback --if-error-rate 5 --cool-down 0s --verify-url "$BASE/health" -- true > verdict
}

# A migration that waits for another session's lock, and a reader that waits for the migration.
migrate_behind_a_lock() {
    PGAPPNAME=somebody psql "$DATABASE_URL" -qc 'begin; lock table orders; select pg_sleep(6)' > /dev/null &
    sleep 0.5
    { sleep 1 && PGAPPNAME=reader psql "$DATABASE_URL" -qc 'select from orders' > /dev/null; } &
    psql "$DATABASE_URL" -qc 'alter table orders add column if not exists note text'
    wait
}
export -f deploy migrate_behind_a_lock
psql "$DATABASE_URL" -qc 'create table if not exists orders (id int)'

services=()
trap 'kill "${services[@]}"' EXIT
serve good 0 40
good=$BASE
serve slow 1 120
slow=$BASE
serve bad 30 40
bad=$BASE

number=0
# run SERVICE BASE BUILD MIGRATE
run() {
    number=$((number + 1))
    DM_SERVICE=$1 BASE=$2 DM_DEPLOYMENT_ID=d-$number DM_VERSION=2.$number DM_COMMIT=$(printf '%07x' $((number * 48611))) \
        DM_COMMIT_TIME=$(date -u -d "-$((number * 7)) minutes" +%FT%TZ) DM_RUN_URL=https://ci.example.com/runs/$number \
        dm-stage deployment -- bash -o pipefail -ec 'deploy "$@"' deploy "$3" "$4" || true
}

for _ in 1 2; do
    run shop "$good" 'sleep 4' 'sleep 1'
    run search "$good" 'sleep 3' "psql '$DATABASE_URL' -qc 'select pg_sleep(1)' > /dev/null"
    run shop "$slow" 'sleep 5' migrate_behind_a_lock
    run shop "$bad" 'sleep 6' 'sleep 1'
    run shop "$good" 'sleep 4' 'sleep 2'
    run search "$good" 'sleep 1; exit 1' true
    run search "$slow" 'sleep 2' migrate_behind_a_lock
done
printf '%s\n' "$work"
