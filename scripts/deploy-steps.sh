# The steps of deploy-all.sh: how each runs its tool, and what is shown of it. deploy-all.sh sources this file, and declares
# the variables.
# shellcheck shell=bash disable=SC2154,SC2153,SC2004

# Runs FUNCTION for all components in parallel and waits for all of them. $status holds their exit codes, $failed the names of
# those that failed.
#
# It substitutes no command and no process for its output: if a signal comes while bash 5.2 reads one, it reads the trap's
# command as a part of it ("unexpected EOF while looking for matching `)'"), and the trap is lost.
step() {
    local title=$1 function=$2 component output pipe both
    shift 2
    status=()
    failed=
    [ $# -gt 0 ] || return 0
    log "$title: $*"
    local -A pids=()
    for component in "$@"; do
        pipe=$work/output.$((pipes += 1))
        mkfifo "$pipe"
        # Open for both, so that nobody waits for the other end, not even if this shell is killed in between.
        exec {both}<> "$pipe"
        show "$component" < "$pipe" {both}>&- &
        exec {output}> "$pipe" {both}>&-
        # Close the descriptor in the command: a service that it starts may keep it open.
        one "$title" "$function" "$component" >&"$output" 2>&1 {output}>&- {shown}>&- &
        pids[$component]=$!
        exec {output}>&-
    done
    for component in "$@"; do
        status[$component]=0
        wait "${pids[$component]}" || status[$component]=$?
        [ "${status[$component]}" = 0 ] || failed+=${failed:+ }$component
        read -r -t 10 <&"$shown" || true
    done
}

# Runs FUNCTION for one component. The tools that run a team's commands print the result themselves.
one() {
    local code=0 began=$SECONDS
    "$2" "$3" || code=$?
    local what="$3 ${1%% for *} $((SECONDS - began))s"
    case $dry_run-$2-$code in
        yes-* | no-build-* | no-deploy-* | no-migrate-* | no-check_not_refused-* | no-mark_good-*) ;;
        no-*-0) printf 'ok      %s\n' "$what" ;;
        no-roll_back-10) printf 'ok      %s: verified\n' "$what" ;;
        no-roll_back-1) printf 'skipped %s: nothing went live\n' "$what" ;;
        no-smoke-1) printf 'FAILED  %s: a test failed\n' "$what" ;;
        *) printf 'FAILED  %s: %s\n' "$what" "$(meaning "$code")" ;;
    esac
    # The end of the output, for `show`.
    printf '\036\n'
    return "$code"
}

# dm-rollback's exit codes in words.
meaning() {
    case $1 in
        3) echo "inconclusive" ;;
        10) echo "rolled back and verified" ;;
        11 | 75) echo "NOT rolled back" ;;
        12) echo "the rollback FAILED or was not verified" ;;
        *) echo "it could not be judged (exit code $1)" ;;
    esac
}

# Puts the component's name before each line, except for results, which name it, and for GitHub's workflow commands, which
# GitHub recognizes only at the beginning of a line.
show() {
    sed -u -e '/\x1e$/{s///' -e "w $work/shown" -e '/^$/d}' -e '/^keep: dm-/d' \
        -e "/^\(ok \|FAILED \|skipped \|CANCELLED \|  |\( \|$\)\|::\(add-mask::\|\(error\|warning\|notice\)\( \|::\)\)\)/!s/^/[$1] /" >&2
}

# Runs a tool for a component, or only prints the command in a dry run.
run() {
    local component=$1
    shift
    if [ "$dry_run" = yes ]; then
        printf '%s\n' "${*@Q}" >&2
        return 0
    fi
    DM_SERVICE=$component DM_VERSION_AT=$(version_at "$component") DM_RELEASE=$(cat "$work/$component.release" 2> /dev/null || true) \
        DM_OUTPUT=$OUTPUT "$@"
}

build() { run "$1" dm-stage build -- bash -c "$(setting "$1" BUILD)"; }
migrate() { run "$1" dm-migrate -- bash -c "$DATABASE_MIGRATE"; }
migration() {
    [ -n "$DATABASE_MIGRATE" ] || return 0
    step migration migrate database
    all_succeeded || undo "the migration failed"
}

# Deploys a component, and learns which release is live before and after.
deploy() {
    local code=0
    live_release "$1" > "$work/$1.before"
    run "$1" dm-stage deploy -- bash -c "$(setting "$1" DEPLOY)" || code=$?
    live_release "$1" > "$work/$1.after"
    cp "$work/$1.after" "$work/$1.release"
    if [ $code = 0 ] && [ -s "$work/$1.release" ] && cmp -s "$work/$1.before" "$work/$1.release"; then
        # It may be the old version's, if the platform goes on in the background.
        printf 'WARNING: release %s is live as before the deployment: it is not recorded for this version\n' "$(<"$work/$1.release")"
        : > "$work/$1.release"
    fi
    return $code
}

# Prints the platform's name for what is live, or nothing if it is not known.
live_release() {
    local command release code=0
    command=$(setting "$1" RELEASE)
    [ -n "$command" ] && [ "$dry_run" = no ] || return 0
    release=$(DM_SERVICE=$1 timeout 60 bash -c "$command" | head -c 1000) || code=$?
    if [ $code != 0 ] || [[ ! $release =~ ^[A-Za-z0-9][A-Za-z0-9._:/@+=,~-]{0,127}$ ]]; then
        printf 'WARNING: the live release of %s is not known: %s printed no name (exit code %s)\n' "$1" "$(name_of "$1" RELEASE)" $code >&2
        return 0
    fi
    printf '%s' "$release"
}

# Rejects only a version that is known to be bad. A version without a name is unknown and passes.
check_not_refused() {
    local code=0
    [ "$ALLOW_REFUSED" != yes ] || return 0
    run "$1" dm-rollback --check-version || code=$?
    [ $code != 1 ] || return 1
}

# Waits until a component is healthy, and rolls it back if it does not become healthy in time.
health() {
    local options=() body
    body=$(setting "$1" HEALTH_BODY)
    [ -z "$body" ] || options+=(--expect-body "$body")
    # A deployment that changes nothing must not pass because the old version is healthy.
    [ -z "$expected_version" ] || [ -z "$(version_at "$1")" ] || options+=(--expect-version "$expected_version")
    # A new version may refuse connections while it starts, so only the deadline ends the wait.
    run "$1" dm-health --url "$(setting "$1" HEALTH_URL)" --name "$1" --interval "$HEALTH_INTERVAL" --min-success 3 \
        --max-fail 1000000 --deadline "$HEALTH_DEADLINE" ${options[@]+"${options[@]}"} --format jsonl |
        judge "$1" --if-health-fails || no_verdict $?
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

# Turns "inconclusive" into "the check itself failed", so that ON_INCONCLUSIVE does not apply to it.
no_verdict() { [ "$1" != 3 ] || return 5; return "$1"; }

# The smoke tests cover all components, so each component is judged by their results.
smoke_tests() {
    local code
    step "smoke tests" smoke "$SERVICE"
    code=${status[$SERVICE]}
    # Failed smoke tests count even if no component was deployed.
    [ ${#deployed[@]} -gt 0 ] || [ "$code" != 1 ] || undo "smoke tests failed"
    [ ${#deployed[@]} = 0 ] || step "verdict on the smoke tests" smoke_verdict "${deployed[@]}"
}

smoke() {
    local code=0
    run "$1" dm-smoke "$SMOKE_SUITE" --base-url "$SMOKE_BASE_URL" ${GITHUB_ACTIONS:+--annotate} --format human \
        --report "jsonl=$work/smoke.jsonl" > "$work/smoke.txt" || code=$?
    [ $code = 0 ] || tail -n 30 "$work/smoke.txt" | sed 's/^/  | /'
    return $code
}

# dm-rollback accepts only evidence about its own service, so each component gets a copy in its name.
smoke_verdict() {
    [ "$dry_run" = no ] || { judge "$1" --if-smoke-fails; return; }
    sed "1s/\"service\":\"[^\"]*\"/\"service\":\"$1\"/" "$work/smoke.jsonl" | judge "$1" --if-smoke-fails || no_verdict $?
}

# Judges a component by the evidence on stdin, or for a reason, and if it is bad, rolls it back.
judge() {
    local component=$1 rollback url
    shift
    rollback=$(setting "$component" ROLLBACK)
    url=$(setting "$component" HEALTH_URL)
    # --provisional: more checks follow each verdict, until the end.
    local options=(--format human --provisional "$@")
    [ "$SCHEMA_COMPATIBLE" = no ] || options+=(--schema-compatible)
    [ "$REQUIRE_TARGET" = no ] || options+=(--require-target)
    [ -z "$COOL_DOWN" ] || options+=(--cool-down "$COOL_DOWN")
    [ -z "$MAX_ROLLBACKS_PER_DAY" ] || options+=(--max-rollbacks-per-day "$MAX_ROLLBACKS_PER_DAY")
    [ -z "$url" ] || options+=(--verify-url "$url")
    if [ -n "$rollback" ]; then options+=(-- bash -c "$rollback"); else options+=(--dry-run); fi
    run "$component" dm-rollback "${options[@]}"
}

# Whether the version was detected is not known, unless the health check expected it.
mark_good() {
    local options=(--mark-good)
    [ "$ALLOW_REFUSED" != yes ] || options+=(--allow-refused)
    [ -n "$expected_version" ] && [ -n "$(version_at "$1")" ] && [ -n "$(setting "$1" HEALTH_URL)" ] || options+=(--assumed)
    run "$1" dm-rollback "${options[@]}"
}

# Rolls a component back for a reason that is not a verdict on it.
roll_back() {
    local options=(--because "$reason")
    [ ! -s "$work/$1.before" ] || options+=(--release-before "$(<"$work/$1.before")")
    judge "$1" "${options[@]}" < /dev/null
}
