#!/usr/bin/env bash
# Rolls an app that Kamal deploys back to a known-good version, for `dm-rollback … -- scripts/rollback/kamal.sh`.
#
#   kamal.sh             roll back to $DM_ROLLBACK_RELEASE (or $DM_ROLLBACK_TARGET) and check what every host runs
#   kamal.sh current     print the version that all hosts run
#
# Run it where config/deploy.yml is. KAMAL_DESTINATION is the destination, if you have several, KAMAL_TIMEOUT the time
# limit in seconds (150). Kamal keeps the containers of the last five versions (retain_containers). It exits with 0 even
# if it has no container of the version, and it leaves its lock behind when a deployment fails.
#
# Exit codes: 0 it is live, 1 it is not or nobody knows, 2 wrong use. More: docs/observability/platforms.md
. "$(dirname "$0")/common.sh" || exit 2

needs kamal awk
setting KAMAL_DESTINATION '([A-Za-z0-9][A-Za-z0-9_-]*)?' 'the name of a destination'
limits KAMAL
options=(${KAMAL_DESTINATION:+--destination "$KAMAL_DESTINATION"})
check="kamal app details ${options[*]}"

# The version follows the line "App Host: NAME". A host that runs nothing has an empty line there.
live() {
    local text versions
    text=$(query kamal app version "${options[@]}") || fail "kamal app version failed: see above"
    versions=$(awk '/^App Host: / { version = ""; getline version; print version == "" ? "nothing" : version }' <<< "$text" | sort --unique)
    if [ "$versions" = nothing ] || ! matches "$versions" '[A-Za-z0-9][A-Za-z0-9._-]*'; then
        fail "it is not known what is live: the hosts run ${versions:-nothing}. Look with: $check"
    fi
    printf '%s\n' "$versions"
}

is_live() {
    state=$(live 2>&1) || return 1
    [ "$state" = "$release" ] || { state="the hosts run $state"; return 1; }
}

restore() {
    to_restore '[A-Za-z0-9][A-Za-z0-9._-]*' 'a version of Kamal' or_target
    unless_live is_live
    say "rolling back to $release"
    bounded kamal rollback "$release" "${options[@]}" ||
        fail "kamal rollback failed, and part of it may be done. If the lock of a failed deployment is left: kamal lock release. Look with: $check"
    is_live || fail "$release is not live: $state. If its containers are gone, deploy that version again. Look with: $check"
    say "$release is live"
}

main "$@"
