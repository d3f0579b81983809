#!/usr/bin/env bash
# Deploys an API, a web front end and a database migration as one deployment, and undoes it when it proves bad:
#
#   build → deploy → health check → migration → smoke tests → watch and rollback decision
#
# Components run side by side; a step begins when the one before it is over for all of them. They are released together,
# so they are rolled back together: when one proves bad, each that this run deployed goes back. A version that was rolled
# back from is not deployed again, unless ALLOW_REFUSED=yes.
#
#   deploy-all.sh --config deploy.env    your commands, from a file: see deploy.env.example
#   deploy-all.sh                        the same, from variables of these names
#   deploy-all.sh --smoke                everything, for real, against a small sample service on this machine
#   deploy-all.sh --dry-run …            only say what would be run
#
# Exit code: 0 deployed and kept; 1 a command failed, and there was nothing to undo: a build, before anything was
# deployed, or ON_KEEP, after all was kept; 2 wrong usage; 3 inconclusive, the new version is live; 5 the checks
# themselves failed, the new version is live; 10 bad, rolled back, and the version before was seen to work; 11 bad, and
# not rolled back: there is no command, or a safeguard held it back; 12 bad, and a rollback failed or was not verified: page a person. Stopped by a
# signal it dies by it, says what may be live, and rolls nothing back.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
components=(api web)
deployed=()              # what this run put live, and would have to undo
declare -A status=()     # the exit codes of the last step, by component
declare -A gone_back=()  # the components that a verdict rolled back, or wanted to, with dm-rollback's exit code
proven=yes               # whether every verdict was a good one

say() { printf '== %s\n' "$*" >&2; }
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
        [ -z "$config" ] || fail "--smoke has a configuration of its own: leave out --config"
        deploy_sample
    fi
    if [ -n "$config" ]; then
        [ -r "$config" ] || fail "cannot read the configuration $config"
        # Without a slash it would be looked for on PATH.
        [[ $config = */* ]] || config=./$config
        # shellcheck source=/dev/null
        . "$config"
    fi
    with_defaults
    local tool
    for tool in dm-stage dm-health dm-smoke dm-migrate dm-rollback; do
        command -v "$tool" > /dev/null || fail "$tool is not on PATH"
    done
    # The whole is one deployment: what runs inside it belongs to it.
    if [ "${DM_PARENT_STAGE:-}" != deployment ] && [ $dry_run = no ]; then
        DM_SERVICE=$SERVICE exec dm-stage deployment -- "$here/deploy-all.sh" "${arguments[@]}"
    fi
    deployment
}

with_defaults() {
    : "${SERVICE:=${DM_SERVICE:-app}}" "${HEALTH_INTERVAL:=1s}" "${HEALTH_DEADLINE:=2m}" "${MAX_FAIL:=5}"
    : "${WATCH:=60s}" "${WATCH_INTERVAL:=1s}" "${ERROR_RATE:=5}" "${ON_INCONCLUSIVE:=fail}" "${ON_KEEP:=}"
    : "${DATABASE_MIGRATE:=}" "${SMOKE_SUITE:=}" "${SMOKE_BASE_URL:=}" "${ALLOW_REFUSED:=no}"
    case $ON_INCONCLUSIVE in fail | keep) ;; *) fail "ON_INCONCLUSIVE is '$ON_INCONCLUSIVE', not fail or keep" ;; esac
    # A configuration with misspelt names must not end as a good deployment.
    [ -n "$(with_setting DEPLOY)$(with_setting BUILD)$DATABASE_MIGRATE" ] ||
        fail "there is nothing to do: set API_DEPLOY, WEB_DEPLOY or DATABASE_MIGRATE, see deploy.env.example"
}

# The setting NAME of a component: `setting api BUILD` is $API_BUILD.
setting() {
    local name=${1^^}_$2
    printf '%s' "${!name:-}"
}

# The components that have the setting NAME.
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
    all_well || { say "a build failed; nothing was deployed"; exit 1; }

    mapfile -t list < <(with_setting DEPLOY)
    step "may it be deployed" not_refused "${list[@]}"
    all_well || { say "this version was rolled back before; nothing was deployed"; exit 1; }
    deployed=("${list[@]}")
    step "deploy" deploy "${deployed[@]}"
    all_well || undo "a deploy command failed"

    mapfile -t list < <(with_setting HEALTH_URL)
    step "health check" health "${list[@]}"
    conclude "a component is not healthy"

    if [ -n "$DATABASE_MIGRATE" ]; then
        step "migration" migrate database
        all_well || undo "the migration failed"
    fi
    if [ -n "$SMOKE_SUITE" ]; then
        smoke_tests
        conclude "smoke tests failed"
    fi
    mapfile -t list < <(with_setting WATCH_URL)
    step "watch for $WATCH" watch "${list[@]}"
    conclude "the new version fails its users"

    # Now that nothing follows it is what a later version may go back to.
    [ $proven = no ] || step "remember as good" mark_good "${deployed[@]}"
    if [ -n "$ON_KEEP" ] && ! run "$SERVICE" bash -c "$ON_KEEP"; then
        say "ON_KEEP FAILED; the new version is live, and good"
        exit 1
    fi
    say "deployed and kept"
}

# Runs FUNCTION for each component, side by side, and waits for all of them; the results are in $status.
step() {
    local title=$1 function=$2 component labelled
    shift 2
    status=()
    [ $# -gt 0 ] || return 0
    say "$title: $*"
    local -A pids=()
    for component in "$@"; do
        exec {labelled}> >(label "$component")
        # Not left open in the command: a service that it starts would keep the label waiting.
        "$function" "$component" >&"$labelled" 2>&1 {labelled}>&- &
        pids[$component]=$!
        exec {labelled}>&-
    done
    for component in "$@"; do
        status[$component]=0
        wait "${pids[$component]}" || status[$component]=$?
        case $function-${status[$component]} in
            *-0) ;;
            # Only of the tools' codes: a team's own command may end with 10 too.
            health-10 | by_smoke_tests-10 | watch-10 | put_back-10) say "$title: $component was rolled back" ;;
            *) say "$title: $component ended with ${status[$component]}" ;;
        esac
    done
}

# What GitHub Actions is to do it finds only at the beginning of a line. Groups would mix: components run side by side.
label() { sed -u "/^::\(add-mask::\|\(error\|warning\|notice\)\( \|::\)\)/!s/^/[$1] /"; }

# Runs a command for a component, or only says so.
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
mark_good() { run "$1" dm-rollback --mark-good; }
migrate() { run database dm-migrate -- bash -c "$DATABASE_MIGRATE"; }

# Only a version that is known to be bad is held back: one without a name is not known.
not_refused() {
    local code=0
    [ "$ALLOW_REFUSED" != yes ] || return 0
    run "$1" dm-rollback --check-version || code=$?
    [ $code != 1 ] || return 1
}

# Until healthy; if it does not get there, back to what was.
health() {
    local body
    body=$(setting "$1" HEALTH_BODY)
    # A new version may refuse connections while it starts, so only the deadline ends the wait for it.
    run "$1" dm-health --url "$(setting "$1" HEALTH_URL)" --name "$1" --interval "$HEALTH_INTERVAL" --min-success 3 \
        --max-fail 1000000 --deadline "$HEALTH_DEADLINE" ${body:+--expect-body "$body"} --format jsonl | judge "$1" --if-health-fails ||
        not_judged $?
}

watch() {
    local codes=()
    run "$1" dm-health --url "$(setting "$1" WATCH_URL)" --name "$1" --interval "$WATCH_INTERVAL" --watch "$WATCH" \
        --max-fail "$MAX_FAIL" --format jsonl | judge "$1" --if-health-fails --if-error-rate "$ERROR_RATE" ||
        codes=("${PIPESTATUS[@]}")
    case ${codes[*]} in
        '') ;;
        # It was watched to the end, with too few requests: this alone is for ON_INCONCLUSIVE to decide.
        '0 3') return 3 ;;
        *) not_judged "${codes[1]}" ;;
    esac
}

# Without an answer where the check itself could not be made, so that no policy takes it for a good one.
not_judged() {
    [ "$1" = 3 ] || return "$1"
    return 5
}

# The evidence is about all components, so each of them is judged by it.
smoke_tests() {
    say "smoke tests: $SMOKE_SUITE"
    local code=0
    evidence=$(mktemp)
    run "$SERVICE" dm-smoke "$SMOKE_SUITE" --base-url "$SMOKE_BASE_URL" --format jsonl | tee "$evidence" | label smoke >&2 ||
        code=${PIPESTATUS[0]}
    step "smoke tests' verdict" by_smoke_tests "${deployed[@]}"
    rm "$evidence"
    # Nobody to roll back is no reason to overlook what they found.
    [ ${#deployed[@]} -gt 0 ] || [ "$code" != 1 ] || undo "smoke tests failed"
    [ ${#deployed[@]} -gt 0 ] || status=([smoke]=$code)
}

by_smoke_tests() { judge "$1" --if-smoke-fails < "$evidence" || not_judged $?; }

# Judges a component by the evidence on stdin, and rolls it back if that is the verdict.
judge() {
    local component=$1 rollback url
    shift
    rollback=$(setting "$component" ROLLBACK)
    url=$(setting "$component" HEALTH_URL)
    # More looks follow each, until the end; and a migration has to leave the version before it working.
    local how=(--format human --provisional --schema-compatible "$@")
    [ -z "$url" ] || how+=(--verify-url "$url")
    if [ -n "$rollback" ]; then
        how+=(-- bash -c "$rollback")
    else
        how+=(--dry-run)
    fi
    run "$component" dm-rollback "${how[@]}"
}

all_well() { [[ ${status[*]} =~ ^(0( 0)*)?$ ]]; }

# After a step that judges: go on, or end the deployment. $status holds dm-rollback's exit codes.
conclude() {
    local component inconclusive=no
    for component in "${!status[@]}"; do
        case ${status[$component]} in
            10 | 11 | 12) gone_back[$component]=${status[$component]} ;;
            75) gone_back[$component]=11 ;;  # wanted, and held: not done either
        esac
    done
    # Bad is graver than unknown.
    [ ${#gone_back[@]} = 0 ] || undo "$1"
    for component in "${!status[@]}"; do
        case ${status[$component]} in
            0) ;;
            3) inconclusive=yes ;;
            *) say "$component could not be judged: the new version is live, and not proven good"; exit 5 ;;
        esac
    done
    [ $inconclusive = yes ] || return 0
    if [ "$ON_INCONCLUSIVE" = keep ]; then
        proven=no
        say "inconclusive, and kept, as ON_INCONCLUSIVE says"
    else
        say "INCONCLUSIVE: the new version is live, and not proven good"
        exit 3
    fi
}

# Ends the deployment as a failed one: what this run put live and did not go back by a verdict of its own goes back now.
undo() {
    local component code left=()
    say "BAD: $1"
    for component in ${deployed[@]+"${deployed[@]}"}; do
        [ -n "${gone_back[$component]:-}" ] || left+=("$component")
    done
    step "roll back what was released with it" put_back ${left[@]+"${left[@]}"}
    local worst=1
    for code in "${gone_back[@]}" "${status[@]}"; do
        # Whatever is not known to have gone well has not.
        case $code in 10 | 11) ;; *) code=12 ;; esac
        [ "$code" -le "$worst" ] || worst=$code
    done
    case $worst in
        1) say "nothing was deployed, so nothing was rolled back"; exit 1 ;;
        11 | 12) say "NOT everything was rolled back and verified: act now"; exit "$worst" ;;
    esac
    say "rolled back and verified: the version before this one is live"
    exit 10
}

# A cancelled run proves nothing about the version: what is live is told, and left to a person.
interrupted() {
    trap - "$1"
    [ ${#deployed[@]} = 0 ] || say "INTERRUPTED: the new version of ${deployed[*]} may be live, and was not judged"
    kill -s "$1" $$
}

# Rolls a component back without a verdict on it.
put_back() {
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

# A whole deployment of the sample service, in a folder of its own. Nothing of it is left running.
deploy_sample() {
    command -v sample-service > /dev/null ||
        fail "sample-service is not on PATH: cargo build --workspace, and add target/debug to PATH"
    SAMPLE_DIR=$(mktemp -d)
    export SAMPLE_DIR DM_VERSION=${DM_VERSION:-1}
    trap '"$here/sample/platform.sh" stop; rm -rf "$SAMPLE_DIR"' EXIT
    "$here/sample/platform.sh" init
    local code=0 how=()
    [ "$dry_run" = no ] || how=(--dry-run)
    "$here/deploy-all.sh" --config "$here/sample/deploy.env" "${how[@]}" || code=$?
    exit "$code"
}

main "$@"
