#!/usr/bin/env bash
# Deploys the components of a service, and a database migration, as one deployment, and rolls it back if it proves bad:
#
#   build → migration → deploy → health check → smoke tests → watch and rollback decision
#
# Components run in parallel. A step starts when the step before it has ended for all of them. Components are released
# together, so they are rolled back together, each by dm-rollback with all its safeguards, whatever failed. A version that
# was rolled back is not deployed again, unless ALLOW_REFUSED=yes.
#
#   deploy-all.sh --config deploy.env    read your commands from a file: see deploy.env.example
#   deploy-all.sh                        read them from environment variables with the same names
#   deploy-all.sh --smoke                run a real deployment of a small sample service on this machine
#   deploy-all.sh --dry-run …            only print the commands
#
# Exit codes:
#
#   0   deployed and kept
#   1   something failed and there was nothing to roll back: before anything went live, or ON_KEEP, after everything was
#       kept; or the version was rolled back before, and nothing was deployed
#   2   wrong usage
#   3   inconclusive; the new version is live
#   5   the checks themselves failed; the new version is live
#   10  bad and rolled back, and the rollback was verified
#   11  bad but not rolled back: there is no rollback command, or a safeguard prevented it
#   12  bad, and a rollback failed or was not verified: page a person
#   75  with EXCLUSIVE: another deployment of the service runs, and nothing was done
#
# If a signal stops the script, it prints what may be live, rolls nothing back, and ends by the same signal.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
settings=(SERVICE COMPONENTS MIGRATE DATABASE_MIGRATE SMOKE_SUITE SMOKE_BASE_URL VERSION_AT HEALTH_INTERVAL HEALTH_DEADLINE
    WATCH WATCH_INTERVAL ERROR_RATE ON_INCONCLUSIVE ON_KEEP ALLOW_REFUSED COOL_DOWN MAX_ROLLBACKS_PER_DAY SCHEMA_COMPATIBLE
    REQUIRE_TARGET EXCLUSIVE OUTPUT)
component_settings=(BUILD DEPLOY RELEASE ROLLBACK HEALTH_URL HEALTH_BODY WATCH_URL VERSION_AT)
deployed=()                # the components that this run deployed and may have to roll back
declare -A status=()       # the exit codes of the last step, by component
failed=                    # the components for which the last step failed
pipes=0                    # the number of pipes for the output of components
declare -A rolled_back=()  # dm-rollback's exit code for each component with a verdict to roll back, done or not
proven=yes                 # whether all verdicts were good

log() { printf '== %s\n' "$*" >&2; }
fail() { printf 'deploy-all.sh: %s\n' "$*" >&2; exit 2; }
usage() { sed -n '2,/^set -euo/{/^set -euo/d;s/^# \{0,1\}//;p}' "$0"; }
# shellcheck source=scripts/deploy-settings.sh
. "$here/deploy-settings.sh"
# shellcheck source=scripts/deploy-steps.sh
. "$here/deploy-steps.sh"

main() {
    local config='' smoke=no expected_version=${DM_VERSION:-} lease=() tool
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
    if [ -n "${DM_DEPLOY_SETTINGS:-}" ]; then
        # This is the script within the deployment. The configuration was read by the one around it.
        eval "$DM_DEPLOY_SETTINGS"
        unset DM_DEPLOY_SETTINGS
        deployment
        return
    fi
    for tool in dm-stage dm-health dm-smoke dm-migrate dm-rollback; do
        command -v "$tool" > /dev/null || fail "$tool is not on PATH"
    done
    if [ -n "$config" ]; then
        [ -r "$config" ] || fail "cannot read the configuration $config"
        # Without a slash, the shell would search for the file on PATH.
        [[ $config = */* ]] || config=./$config
        local variables
        variables=$(compgen -A variable)
        set -E
        trap 'fail "a command in $config failed"' ERR
        # shellcheck source=/dev/null
        . "$config"
        trap - ERR
        reject_unknown_settings "$config" "$variables"
        expected_version=${DM_VERSION:-}
    fi
    [ -z "${DM_RELEASE:-}" ] || log "DM_RELEASE is not used: set API_RELEASE to a command that prints the live release"
    unset DM_RELEASE
    check_settings
    if [ "${DM_PARENT_STAGE:-}" = deployment ] || [ $dry_run = yes ]; then
        deployment
        return
    fi
    # Wrap everything in one deployment, so that the stages belong to it.
    mapfile -t settings < <(set_settings)
    DM_DEPLOY_SETTINGS=$(declare -p expected_version "${settings[@]}")
    export DM_DEPLOY_SETTINGS
    # In GitHub Actions: an annotation for each failure, and the page of the deployment in the summary of the run.
    export DM_GITHUB=${DM_GITHUB-error,summary}
    DM_SERVICE=$SERVICE exec dm-stage deployment --summary-line always ${lease[@]+"${lease[@]}"} -- "$here/deploy-all.sh"
}

deployment() {
    local list
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    trap 'interrupted INT' INT
    trap 'interrupted TERM' TERM
    # To learn when the last line of a step's output was shown.
    mkfifo "$work/shown"
    exec {shown}<> "$work/shown"

    mapfile -t list < <(with_setting BUILD)
    step build build "${list[@]}"
    all_succeeded || nothing_deployed "$failed failed to build"
    mapfile -t list < <(with_setting DEPLOY)
    step "version check" check_not_refused "${list[@]}"
    all_succeeded || nothing_deployed "this version was rolled back before"

    [ "$MIGRATE" = after ] || migration
    deployed=("${list[@]}")
    step deploy deploy "${deployed[@]}"
    all_succeeded || undo "$failed failed to deploy"
    mapfile -t list < <(with_setting HEALTH_URL)
    step "health check" health "${list[@]}"
    act_on_verdicts "$failed did not become healthy"
    [ "$MIGRATE" = before ] || migration
    if [ -n "$SMOKE_SUITE" ]; then
        smoke_tests
        act_on_verdicts "smoke tests failed"
    fi
    mapfile -t list < <(with_setting WATCH_URL)
    step "watch for $WATCH" watch "${list[@]}"
    act_on_verdicts "$failed failed while it was watched"

    # No further check follows, so later deployments may roll back to this version of what was checked.
    mapfile -t list < <(judged)
    [ $proven = no ] || step "record as known good" mark_good "${list[@]}"
    if [ -n "$ON_KEEP" ] && ! run "$SERVICE" bash -c "$ON_KEEP"; then
        log "ON_KEEP FAILED; the new version is live and good"
        exit 1
    fi
}

# Prints the deployed components that a check has judged.
judged() {
    local component
    for component in ${deployed[@]+"${deployed[@]}"}; do
        [ -z "$SMOKE_SUITE$(setting "$component" HEALTH_URL)$(setting "$component" WATCH_URL)" ] || printf '%s\n' "$component"
    done
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
    case $inconclusive-$ON_INCONCLUSIVE in
        no-*) ;;
        yes-keep) proven=no; log "inconclusive: the new version is kept, because ON_INCONCLUSIVE=keep" ;;
        yes-rollback) undo "the watch proved nothing, and ON_INCONCLUSIVE=rollback" ;;
        *) log "INCONCLUSIVE: the new version is live, but not proven good"; exit 3 ;;
    esac
}

# Ends a deployment before anything was deployed, which is put on record, with what is live instead.
nothing_deployed() {
    local component list
    log "$1; nothing was deployed"
    mapfile -t list < <(with_setting DEPLOY)
    for component in ${list[@]+"${list[@]}"}; do
        run "$component" dm-stage deploy --skip "$1" --live-release "$(live_release "$component")" -- true
    done
    exit 1
}

# Ends the deployment as failed. Rolls back the deployed components that have no verdict of their own to roll back.
undo() {
    local component code remaining=() worst=1
    reason=$1
    [ ${#deployed[@]} -gt 0 ] || nothing_deployed "$reason"
    log "BAD: $reason"
    for component in "${deployed[@]}"; do
        [ -n "${rolled_back[$component]:-}" ] || remaining+=("$component")
    done
    step "rollback" roll_back ${remaining[@]+"${remaining[@]}"}
    for code in ${rolled_back[@]+"${rolled_back[@]}"} ${status[@]+"${status[@]}"}; do
        case $code in
            1 | 10 | 11) ;;
            75) code=11 ;;
            *) code=12 ;;  # the rollback is not known to have succeeded
        esac
        [ "$code" -le "$worst" ] || worst=$code
    done
    [ "$worst" -le 10 ] || log "ROLLBACK INCOMPLETE: not every component was rolled back and verified; act now"
    exit "$worst"
}

# A cancelled run proves nothing about the version: print what may be live, and leave the decision to a person.
interrupted() {
    trap - "$1"
    [ ${#deployed[@]} = 0 ] || log "INTERRUPTED: the new version of ${deployed[*]} may be live and was not judged"
    rm -rf "$work"
    kill -s "$1" $$
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
