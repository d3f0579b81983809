#!/usr/bin/env bash
# A platform in a single folder, for the demo and the tests. It builds, deploys and rolls back the sample service, as a real
# platform does with real services. All files are in $SAMPLE_DIR. It stops only processes that it started itself.
#
#   platform.sh init                       choose a port for each component
#   platform.sh build COMPONENT VERSION    build a release
#   platform.sh deploy COMPONENT VERSION   deploy it in place of the live release
#   platform.sh migrate VERSION            migrate the database for the version
#   platform.sh good COMPONENT VERSION     record the version as known good
#   platform.sh rollback COMPONENT         deploy the release that was last recorded as good
#   platform.sh stop                       stop all processes
#
# At build time, $SAMPLE_FLAGS sets the flags with which the release always starts, such as "--error-percent 30": its faults.
set -euo pipefail

: "${SAMPLE_DIR:?set it to the folder of the sample platform}"
components=(api web)

fail() { printf 'platform.sh: %s\n' "$*" >&2; exit 1; }

# Whether a process is running. A zombie, which has ended but was not reaped by its new parent, is not.
is_running() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) && [[ ${stat##*) } != Z* ]]
}

stop() {
    local pid_file=$SAMPLE_DIR/$1.pid pid
    [ -e "$pid_file" ] || return 0
    pid=$(<"$pid_file")
    kill "$pid" 2>/dev/null || true
    while is_running "$pid"; do sleep 0.05; done
    rm "$pid_file"
}

init() {
    local component line
    mkdir -p "$SAMPLE_DIR/releases"
    for component in "${components[@]}"; do
        # Let the kernel choose: listen on any free port, and release it again.
        coproc SERVICE { exec sample-service serve --db "$SAMPLE_DIR/app.db"; }
        # Bash unsets SERVICE_PID when the process ends.
        local pid=$SERVICE_PID
        read -r line <&"${SERVICE[0]}"
        kill "$pid"
        wait "$pid" || true
        printf '%s\n' "${line#listening on }" > "$SAMPLE_DIR/$component.address"
    done
}

build() {
    local release=$SAMPLE_DIR/releases/$1-$2
    mkdir -p "$release"
    install -m 755 "$(command -v sample-service)" "$release/"
    printf '%s' "${SAMPLE_FLAGS:-}" > "$release/flags"
    printf 'built %s version %s\n' "$1" "$2"
}

deploy() {
    local component=$1 version=$2 release=$SAMPLE_DIR/releases/$1-$2 flags
    [ -e "$release/flags" ] || fail "there is no release $version of $component: build it first"
    read -ra flags < "$release/flags" || true
    stop "$component"
    # Start it in its own session, so that it outlives the deployment that starts it.
    setsid "$release/sample-service" serve --version-name "$version" --db "$SAMPLE_DIR/app.db" \
        --listen "$(<"$SAMPLE_DIR/$component.address")" ${flags[@]+"${flags[@]}"} \
        >> "$SAMPLE_DIR/$component.log" 2>&1 < /dev/null &
    printf '%s\n' "$!" > "$SAMPLE_DIR/$component.pid"
    printf '%s\n' "$version" > "$SAMPLE_DIR/$component.live"
    printf '%s version %s is live\n' "$component" "$version"
}

# Restores the release that was recorded as good, not simply the previous one, which may be bad.
rollback() {
    local good=$SAMPLE_DIR/$1.good
    [ -e "$good" ] || fail "no release of $1 was recorded as good"
    deploy "$1" "$(<"$good")"
}

case "${1:-}" in
    init) init ;;
    build) build "$2" "$3" ;;
    deploy) deploy "$2" "$3" ;;
    migrate) exec sample-service migrate --db "$SAMPLE_DIR/app.db" --to "$2" ;;
    good) printf '%s\n' "$3" > "$SAMPLE_DIR/$2.good" ;;
    rollback) rollback "$2" ;;
    stop) for component in "${components[@]}"; do stop "$component"; done ;;
    *) fail "unknown command '${1:-}': see the head of this file" ;;
esac
