#!/usr/bin/env bash
# Deploys an API, a web front end and a database migration as one deployment, and rolls it back if it proves bad:
#
#   build → deploy → health check → migration → smoke tests → watch and rollback decision
#
# Components run in parallel. A step starts when the step before it has ended for all of them. Components are released
# together, so they are rolled back together: if one proves bad, all components that this run deployed are rolled back. A
# version that was rolled back is not deployed again, unless ALLOW_REFUSED=yes.
#
#   deploy-all.sh --config deploy.env    read your commands from a file: see deploy.env.example
#   deploy-all.sh                        read them from environment variables with the same names
#   deploy-all.sh --smoke                run a real deployment of a small sample service on this machine
#   deploy-all.sh --dry-run …            only print the commands
#
# Exit codes:
#
#   0   deployed and kept
#   1   a command failed and there was nothing to roll back: a build, before anything was deployed, or ON_KEEP, after
#       everything was kept; or the version was rolled back before, and nothing was deployed
#   2   wrong usage
#   3   inconclusive; the new version is live
#   5   the checks themselves failed; the new version is live
#   10  bad and rolled back, and the rollback was verified
#   11  bad but not rolled back: there is no rollback command, or a safeguard prevented it
#   12  bad, and a rollback failed or was not verified: page a person
#
# If a signal stops the script, it prints what may be live, rolls nothing back, and ends by the same signal.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
components=(api web)
deployed=()                # the components that this run deployed and may have to roll back
declare -A status=()       # the exit codes of the last step, by component
declare -A rolled_back=()  # dm-rollback's exit code for each component with a verdict to roll back, done or not
proven=yes                 # whether all verdicts were good

log() { printf '== %s\n' "$*" >&2; }
fail() { printf 'deploy-all.sh: %s\n' "$*" >&2; exit 2; }
usage() { sed -n '2,/^set -euo/{/^set -euo/d;s/^# \{0,1\}//;p}' "$0"; }

main() {
    local arguments=("$@") config='' smoke=no
    dry_run=no
    while [ $# -gt 0 ]; do
        case $1 in
            --config) [ $# -gt 1 ] || fail "--config needs a file"; config=$2; shift 2 ;;
            --smoke) smoke=yes; shift ;;
            --dry-run) dry_run=yes; shift ;;
            --help | -h) usage; exit 0 ;;
            *) fail "unknown argument '$1': see --help" ;;
        esac
    done
    if [ $smoke = yes ]; then
        [ -z "$config" ] || fail "--smoke uses its own configuration: remove --config"
        deploy_sample
    fi
    if [ -n "$config" ]; then
        [ -r "$config" ] || fail "cannot read the configuration $config"
        # Without a slash, the shell would search for the file on PATH.
        [[ $config = */* ]] || config=./$config
        # shellcheck source=/dev/null
        . "$config"
    fi
    apply_defaults
    local tool
    for tool in dm-stage dm-health dm-smoke dm-migrate dm-rollback; do
        command -v "$tool" > /dev/null || fail "$tool is not on PATH"
    done
    # Wrap everything in one deployment, so that the stages belong to it.
    if [ "${DM_PARENT_STAGE:-}" != deployment ] && [ $dry_run = no ]; then
        DM_SERVICE=$SERVICE exec dm-stage deployment -- "$here/deploy-all.sh" "${arguments[@]}"
    fi
    deployment
}

apply_defaults() {
    : "${SERVICE:=${DM_SERVICE:-app}}" "${HEALTH_INTERVAL:=1s}" "${HEALTH_DEADLINE:=2m}"
    : "${WATCH:=60s..10m}" "${WATCH_INTERVAL:=500ms}" "${ERROR_RATE:=5}" "${ON_INCONCLUSIVE:=fail}" "${ON_KEEP:=}"
    : "${DATABASE_MIGRATE:=}" "${SMOKE_SUITE:=}" "${SMOKE_BASE_URL:=}" "${ALLOW_REFUSED:=no}"
    case $ON_INCONCLUSIVE in fail | keep) ;; *) fail "ON_INCONCLUSIVE must be fail or keep, not '$ON_INCONCLUSIVE'" ;; esac
    # A configuration with misspelt names must not end as a successful deployment.
    [ -n "$(with_setting DEPLOY)$(with_setting BUILD)$DATABASE_MIGRATE" ] ||
        fail "there is nothing to do: set API_DEPLOY, WEB_DEPLOY or DATABASE_MIGRATE (see deploy.env.example)"
}

# Prints the setting NAME of a component: `setting api BUILD` prints $API_BUILD.
setting() {
    local name=${1^^}_$2
    printf '%s' "${!name:-}"
}

# Prints the components that have the setting NAME.
with_setting() {
    local component
    for component in "${components[@]}"; do
        [ -z "$(setting "$component" "$1")" ] || printf '%s\n' "$component"
    done
}

deployment() {
    local list
    trap 'interrupted INT' INT
    trap 'interrupted TERM' TERM
    mapfile -t list < <(with_setting BUILD)
    step "build" build "${list[@]}"
    all_succeeded || { log "a build failed; nothing was deployed"; exit 1; }

    mapfile -t list < <(with_setting DEPLOY)
    step "version check" check_not_refused "${list[@]}"
    all_succeeded || { log "this version was rolled back before; nothing was deployed"; exit 1; }
    deployed=("${list[@]}")
    step "deploy" deploy "${deployed[@]}"
    all_succeeded || undo "a deploy command failed"

    mapfile -t list < <(with_setting HEALTH_URL)
    step "health check" health "${list[@]}"
    act_on_verdicts "a component is not healthy"

    if [ -n "$DATABASE_MIGRATE" ]; then
        step "migration" migrate database
        all_succeeded || undo "the migration failed"
    fi
    if [ -n "$SMOKE_SUITE" ]; then
        smoke_tests
        act_on_verdicts "smoke tests failed"
    fi
    mapfile -t list < <(with_setting WATCH_URL)
    step "watch for $WATCH" watch "${list[@]}"
    act_on_verdicts "the new version failed while it was watched"

    # No further check follows, so later deployments may roll back to this version of what was checked.
    mapfile -t list < <(judged)
    [ $proven = no ] || step "record as known good" mark_good "${list[@]}"
    if [ -n "$ON_KEEP" ] && ! run "$SERVICE" bash -c "$ON_KEEP"; then
        log "ON_KEEP FAILED; the new version is live and good"
        exit 1
    fi
    log "deployed and kept"
}

# Runs FUNCTION for all components in parallel and waits for all of them. $status holds their exit codes.
step() {
    local title=$1 function=$2 component output
    shift 2
    status=()
    [ $# -gt 0 ] || return 0
    log "$title: $*"
    local -A pids=()
    for component in "$@"; do
        exec {output}> >(prefix_lines "$component")
        # Close the descriptor in the command: a service that it starts would keep prefix_lines waiting.
        "$function" "$component" >&"$output" 2>&1 {output}>&- &
        pids[$component]=$!
        exec {output}>&-
    done
    for component in "$@"; do
        status[$component]=0
        wait "${pids[$component]}" || status[$component]=$?
        case $function-${status[$component]} in
            *-0) ;;
            # Only these functions return dm-rollback's codes: a team's own command may exit with 10 too.
            health-10 | smoke_verdict-10 | watch-10 | roll_back-10) log "$title: $component was rolled back" ;;
            *) log "$title: $component exited with ${status[$component]}" ;;
        esac
    done
}

# Puts the component's name before each line, except for GitHub's workflow commands, which GitHub recognizes only at the
# beginning of a line. Log groups are not used, because those of parallel components would be mixed up.
prefix_lines() { sed -u "/^::\(add-mask::\|\(error\|warning\|notice\)\( \|::\)\)/!s/^/[$1] /"; }

# Runs a command for a component, or only prints it in a dry run.
run() {
    local component=$1
    shift
    if [ "$dry_run" = yes ]; then
        printf '%s\n' "${*@Q}" >&2
        return 0
    fi
    DM_SERVICE=$component "$@"
}

build() { run "$1" dm-stage build -- bash -c "$(setting "$1" BUILD)"; }
deploy() { run "$1" dm-stage deploy -- bash -c "$(setting "$1" DEPLOY)"; }
# Whether the version was detected is not known here.
mark_good() { run "$1" dm-rollback --mark-good --assumed; }
# Prints the deployed components that a check has judged.
judged() {
    local component
    for component in ${deployed[@]+"${deployed[@]}"}; do
        [ -z "$SMOKE_SUITE$(setting "$component" HEALTH_URL)$(setting "$component" WATCH_URL)" ] || printf '%s\n' "$component"
    done
}
migrate() { run database dm-migrate -- bash -c "$DATABASE_MIGRATE"; }

# Rejects only a version that is known to be bad. A version without a name is unknown and passes.
check_not_refused() {
    local code=0
    [ "$ALLOW_REFUSED" != yes ] || return 0
    run "$1" dm-rollback --check-version || code=$?
    [ $code != 1 ] || return 1
}

# Waits until a component is healthy, and rolls it back if it does not become healthy in time.
health() {
    local body
    body=$(setting "$1" HEALTH_BODY)
    # A new version may refuse connections while it starts, so only the deadline ends the wait.
    run "$1" dm-health --url "$(setting "$1" HEALTH_URL)" --name "$1" --interval "$HEALTH_INTERVAL" --min-success 3 \
        --max-fail 1000000 --deadline "$HEALTH_DEADLINE" ${body:+--expect-body "$body"} --format jsonl | judge "$1" --if-health-fails ||
        no_verdict $?
}

# The watch goes on through failures: dm-rollback judges them, and ends the watch as soon as it has proof.
watch() {
    local codes=()
    run "$1" dm-health --url "$(setting "$1" WATCH_URL)" --name "$1" --interval "$WATCH_INTERVAL" --watch "$WATCH" \
        --format jsonl | judge "$1" --if-health-fails --if-error-rate "$ERROR_RATE" ||
        codes=("${PIPESTATUS[@]}")
    case ${codes[*]} in
        '') ;;
        # The watch was complete but proved nothing. Only in this case does ON_INCONCLUSIVE decide.
        '0 3') return 3 ;;
        *) no_verdict "${codes[1]}" ;;
    esac
}

# Turns "inconclusive" into "the check itself failed", so that ON_INCONCLUSIVE=keep does not apply to it.
no_verdict() {
    [ "$1" = 3 ] || return "$1"
    return 5
}

# The smoke tests cover all components, so each component is judged by their results.
smoke_tests() {
    log "smoke tests: $SMOKE_SUITE"
    local code=0
    evidence=$(mktemp)
    run "$SERVICE" dm-smoke "$SMOKE_SUITE" --base-url "$SMOKE_BASE_URL" --format jsonl | tee "$evidence" | prefix_lines smoke >&2 ||
        code=${PIPESTATUS[0]}
    step "verdict on the smoke tests" smoke_verdict "${deployed[@]}"
    rm "$evidence"
    # Failed smoke tests count even if no component was deployed.
    [ ${#deployed[@]} -gt 0 ] || [ "$code" != 1 ] || undo "smoke tests failed"
    [ ${#deployed[@]} -gt 0 ] || status=([smoke]=$code)
}

# dm-rollback accepts only evidence about its own service, so each component gets a copy in its name.
smoke_verdict() {
    sed "1s/\"service\":\"[^\"]*\"/\"service\":\"$1\"/" "$evidence" | judge "$1" --if-smoke-fails || no_verdict $?
}

# Judges a component by the evidence on stdin and, if it is bad, rolls it back.
judge() {
    local component=$1 rollback url
    shift
    rollback=$(setting "$component" ROLLBACK)
    url=$(setting "$component" HEALTH_URL)
    # --provisional: more checks follow each verdict, until the end. --schema-compatible: the previous version must work
    # with the migrated schema.
    local options=(--format human --provisional --schema-compatible "$@")
    [ -z "$url" ] || options+=(--verify-url "$url")
    if [ -n "$rollback" ]; then
        options+=(-- bash -c "$rollback")
    else
        options+=(--dry-run)
    fi
    run "$component" dm-rollback "${options[@]}"
}

all_succeeded() { [[ ${status[*]} =~ ^(0( 0)*)?$ ]]; }

# Continues or ends the deployment after a step with verdicts. $status holds dm-rollback's exit codes.
act_on_verdicts() {
    local component inconclusive=no
    for component in "${!status[@]}"; do
        case ${status[$component]} in
            10 | 11 | 12) rolled_back[$component]=${status[$component]} ;;
            75) rolled_back[$component]=11 ;;  # a safeguard prevented the rollback, so it was not done either
        esac
    done
    # A bad verdict has priority over an inconclusive one.
    [ ${#rolled_back[@]} = 0 ] || undo "$1"
    for component in "${!status[@]}"; do
        case ${status[$component]} in
            0) ;;
            3) inconclusive=yes ;;
            *) log "$component could not be judged: the new version is live, but not proven good"; exit 5 ;;
        esac
    done
    [ $inconclusive = yes ] || return 0
    if [ "$ON_INCONCLUSIVE" = keep ]; then
        proven=no
        log "inconclusive: the new version is kept, because ON_INCONCLUSIVE=keep"
    else
        log "INCONCLUSIVE: the new version is live, but not proven good"
        exit 3
    fi
}

# Ends the deployment as failed. Rolls back the deployed components that have no verdict of their own to roll back.
undo() {
    local component code remaining=()
    log "BAD: $1"
    for component in ${deployed[@]+"${deployed[@]}"}; do
        [ -n "${rolled_back[$component]:-}" ] || remaining+=("$component")
    done
    step "roll back the other components" roll_back ${remaining[@]+"${remaining[@]}"}
    local worst=1
    for code in "${rolled_back[@]}" "${status[@]}"; do
        # Any other code means that the rollback is not known to have succeeded.
        case $code in 10 | 11) ;; *) code=12 ;; esac
        [ "$code" -le "$worst" ] || worst=$code
    done
    case $worst in
        1) log "nothing was deployed, so nothing was rolled back"; exit 1 ;;
        11 | 12) log "ROLLBACK INCOMPLETE: not every component was rolled back and verified; act now"; exit "$worst" ;;
    esac
    log "rolled back and verified: the previous version is live"
    exit 10
}

# A cancelled run proves nothing about the version: print what may be live, and leave the decision to a person.
interrupted() {
    trap - "$1"
    [ ${#deployed[@]} = 0 ] || log "INTERRUPTED: the new version of ${deployed[*]} may be live and was not judged"
    kill -s "$1" $$
}

# Rolls a component back without a verdict on it.
roll_back() {
    local rollback url
    rollback=$(setting "$1" ROLLBACK)
    url=$(setting "$1" HEALTH_URL)
    [ -n "$rollback" ] || return 11
    run "$1" dm-stage rollback -- bash -c "$rollback" || return 12
    [ -n "$url" ] || return 12
    run "$1" dm-health --url "$url" --name "$1" --interval "$HEALTH_INTERVAL" --min-success 3 --max-fail 1000000 \
        --deadline "$HEALTH_DEADLINE" --format human || return 12
    return 10
}

# Runs a complete deployment of the sample service in its own folder. No process is left running.
deploy_sample() {
    command -v sample-service > /dev/null ||
        fail "sample-service is not on PATH: run cargo build --workspace, and add target/debug to PATH"
    SAMPLE_DIR=$(mktemp -d)
    export SAMPLE_DIR DM_VERSION=${DM_VERSION:-1}
    trap '"$here/sample/platform.sh" stop; rm -rf "$SAMPLE_DIR"' EXIT
    "$here/sample/platform.sh" init
    local code=0 options=()
    [ "$dry_run" = no ] || options=(--dry-run)
    "$here/deploy-all.sh" --config "$here/sample/deploy.env" "${options[@]}" || code=$?
    exit "$code"
}

main "$@"
