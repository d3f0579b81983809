#!/usr/bin/env bash
# A platform of one folder, for the demo and the tests: it builds, deploys and rolls back the sample service, as a real
# one would the real ones. Everything is in $SAMPLE_DIR; the processes are stopped by the ids of those started.
#
#   platform.sh init                       choose a port for each component
#   platform.sh build COMPONENT VERSION    make a release
#   platform.sh deploy COMPONENT VERSION   put it live, in the place of what is
#   platform.sh migrate VERSION            bring the database to what the version needs
#   platform.sh good COMPONENT VERSION     remember that it proved good
#   platform.sh rollback COMPONENT         put the release live that was last remembered as good
#   platform.sh stop                       stop everything
#
# A release is started with the flags in $SAMPLE_FLAGS, such as "--error-percent 30"; they are its faults, and stay its own.
set -euo pipefail

: "${SAMPLE_DIR:?name the folder of the sample platform}"
components=(api web)

fail() { printf 'platform.sh: %s\n' "$*" >&2; exit 1; }

# Whether a process runs: one that ended and was not waited for by its new parent does not.
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
        # The kernel chooses: listen at any port, and let it go again.
        coproc SERVICE { exec sample-service serve --db "$SAMPLE_DIR/app.db"; }
        # The name is lost when the process has ended.
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
    # A session of its own: it outlives the deployment that starts it.
    setsid "$release/sample-service" serve --version-name "$version" --db "$SAMPLE_DIR/app.db" \
        --listen "$(<"$SAMPLE_DIR/$component.address")" ${flags[@]+"${flags[@]}"} \
        >> "$SAMPLE_DIR/$component.log" 2>&1 < /dev/null &
    printf '%s\n' "$!" > "$SAMPLE_DIR/$component.pid"
    printf '%s\n' "$version" > "$SAMPLE_DIR/$component.live"
    printf '%s version %s is live\n' "$component" "$version"
}

# Back to what was proven good: not merely to what was before, which may be the bad one.
rollback() {
    local good=$SAMPLE_DIR/$1.good
    [ -e "$good" ] || fail "no release of $1 was ever proven good"
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
    *) fail "unknown verb '${1:-}': see the head of this file" ;;
esac
