#!/usr/bin/env bash
# Runs Prometheus, Pushgateway and Alertmanager with the configuration in config/, on free ports of this machine and in a
# private folder, to try them out:
#
#   scripts/stack.sh up         start the servers and print their URLs
#   PUSHGATEWAY_URL=http://… scripts/demo.sh
#   scripts/stack.sh status     print the running servers, and the alerts that are pending, firing, or were resolved in the
#                               last hour
#   scripts/stack.sh down       stop the servers that were started, and remove the folder
#
# The programs are Debian's: those that ./scripts/test.sh has unpacked, or else those on PATH. $DM_STACK_DIR is the folder,
# by default .stack in the target folder. Nobody is notified of alerts, because the receivers of alertmanager.yml do not
# exist.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
stack=${DM_STACK_DIR:-$target/.stack}
servers=$target/test-servers/usr
PATH=$(cd "$servers/bin" 2>/dev/null && pwd || printf /nonexistent):$PATH
names=(pushgateway alertmanager prometheus)

# Each alert in one line: its state (pending, firing, or resolved within the last hour), severity, name, and labels.
alerts='max by (line) (label_join(
  ALERTS{alertname!="DeploymentWatchdog"}
  or
  label_replace(max_over_time(ALERTS{alertstate="firing",alertname!="DeploymentWatchdog"}[1h])
    unless ignoring (alertstate) ALERTS, "alertstate", "resolved", "", ""),
  "line", "  ", "alertstate", "severity", "alertname", "service", "environment", "run", "slo"))'

fail() { printf 'stack.sh: %s\n' "$*" >&2; exit 1; }

# Whether the server is still the process that was started: its id may belong to another process by now.
is_running() {
    local pid_file=$stack/$1.pid
    [ -e "$pid_file" ] && tr '\0' ' ' 2>/dev/null < "/proc/$(<"$pid_file")/cmdline" | grep -qF -- "$stack"
}

# Starts a server, writes its log and process id to the folder, and waits until it logs its address.
start() {
    local name=$1 folder=$2 address
    shift 2
    : > "$stack/$name.log"
    (cd "$folder" && exec setsid "$@" > "$stack/$name.log" 2>&1 < /dev/null) &
    printf '%s\n' "$!" > "$stack/$name.pid"
    for _ in {1..600}; do
        address=$(sed -n 's/.*msg="Listening on" address=\(\[::\]\)\?\([^ ]*\).*/\2/p' "$stack/$name.log")
        if [ -n "$address" ]; then
            printf 'http://%s\n' "$address" > "$stack/$name.url"
            return
        fi
        kill -0 "$!" 2>/dev/null || break
        sleep 0.1
    done
    cat "$stack/$name.log" >&2
    fail "$name did not start: see its log above"
}

up() {
    local program templates=$servers/share/prometheus/alertmanager
    for program in prometheus prometheus-pushgateway prometheus-alertmanager; do
        command -v "$program" > /dev/null || fail "needs $program: run ./scripts/test.sh, which downloads it, or apt-get install $program"
    done
    ! is_running prometheus || fail "the stack is already running: see scripts/stack.sh status"
    mkdir -p "$stack"
    stack=$(cd "$stack" && pwd)
    trap stop EXIT
    start pushgateway "$stack" prometheus-pushgateway --web.listen-address=127.0.0.1:0 \
        --persistence.file="$stack/pushgateway.data" --persistence.interval=5s
    # Alertmanager sends nothing: the route "monitoring only" is active, and the files of the secrets do not exist.
    cp config/alertmanager/alertmanager.yml "$stack/"
    [ -d "$templates" ] || templates=$stack
    start alertmanager "$templates" prometheus-alertmanager --config.file="$stack/alertmanager.yml" \
        --storage.path="$stack/alertmanager" --web.listen-address=127.0.0.1:0 --cluster.listen-address=
    cp config/prometheus/prometheus-*.yml "$stack/"
    sed -e "s/localhost:9091/$(address pushgateway)/" -e "s/localhost:9093/$(address alertmanager)/" \
        -e 's/scrape_interval: 15s/scrape_interval: 5s/' -e 's/evaluation_interval: 15s/evaluation_interval: 5s/' \
        config/prometheus/prometheus.yml > "$stack/prometheus.yml"
    start prometheus "$stack" prometheus --config.file="$stack/prometheus.yml" \
        --storage.tsdb.path="$stack/prometheus" --storage.tsdb.retention.time=40d --web.listen-address=127.0.0.1:0
    # Prometheus listens before it can answer queries.
    until promtool query instant "$(<"$stack/prometheus.url")" 'vector(1)' > /dev/null 2>&1; do
        is_running prometheus || fail "prometheus ended: $(tail -n 3 "$stack/prometheus.log")"
        sleep 0.1
    done
    trap - EXIT
    status
}

address() { sed 's|^http://||' "$stack/$1.url"; }

status() {
    local name code=0
    for name in "${names[@]}"; do
        if is_running "$name"; then
            printf '%-13s %s\n' "$name" "$(<"$stack/$name.url")"
        else
            printf '%-13s is not running\n' "$name"
            code=1
        fi
    done
    [ $code = 0 ] || return $code
    printf 'export PUSHGATEWAY_URL=%s\n\nalerts:\n' "$(<"$stack/pushgateway.url")"
    promtool query instant "$(<"$stack/prometheus.url")" "$alerts" | sed 's/^{line="/  /; s/ *"} => .*//' | sort | grep . ||
        printf '  none\n'
}

stop() {
    local name pid
    for name in "${names[@]}"; do
        if is_running "$name"; then
            pid=$(<"$stack/$name.pid")
            kill "$pid"
            while is_running "$name"; do sleep 0.1; done
        fi
    done
    rm -rf "$stack"
}

[ ! -d "$stack" ] || stack=$(cd "$stack" && pwd)
case "${1:-}" in
    up) up ;;
    status) status ;;
    down) stop ;;
    *) fail "unknown command '${1:-}': use up, down or status" ;;
esac
