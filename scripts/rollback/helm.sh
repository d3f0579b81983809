#!/usr/bin/env bash
# Rolls a Helm release back to a known-good revision, for `dm-rollback … -- scripts/rollback/helm.sh`.
#
#   helm.sh             roll back to $DM_ROLLBACK_RELEASE and wait until it is ready
#   helm.sh current     print the live revision; record it as DM_RELEASE
#
# $HELM_RELEASE is the name of the release, $HELM_NAMESPACE its namespace, and $HELM_TIMEOUT the time limit (150s). Without
# a revision, `helm rollback` restores the previous one, even if that one failed.
set -euo pipefail

fail() { printf 'helm.sh: %s\n' "$*" >&2; exit 1; }

name=${HELM_RELEASE:-}
[[ $name =~ ^[a-z0-9][a-z0-9.-]*$ ]] || fail "set HELM_RELEASE to the name of the release"
h() { helm "$@" ${HELM_NAMESPACE:+--namespace "$HELM_NAMESPACE"}; }

# Each revision and its status. The time before the status takes five fields: Mon Jan 5 10:00:00 2026.
revisions() { h history "$name" --max 256 | awk 'NR > 1 { print $1, $7 }'; }

current() {
    local revision
    revision=$(revisions | awk '$2 == "deployed" { revision = $1 } END { print revision }')
    [ -n "$revision" ] || fail "$name has no deployed revision"
    printf '%s\n' "$revision"
}

rollback() {
    local revision=${DM_ROLLBACK_RELEASE:-${DM_ROLLBACK_TARGET:-}} status
    [[ $revision =~ ^[1-9][0-9]*$ ]] ||
        fail "'$revision' is not a revision: record versions with DM_RELEASE=\$(helm.sh current), or use --target"
    status=$(revisions | awk -v revision="$revision" '$1 == revision { print $2 }')
    case $status in
        deployed) printf 'revision %s is already live\n' "$revision"; return ;;
        superseded) ;;
        '') fail "$name has no revision $revision (any more): check whether --history-max is too low" ;;
        *) fail "revision $revision of $name is $status: it was never good" ;;
    esac
    h rollback "$name" "$revision" --wait --timeout "${HELM_TIMEOUT:-150s}" --cleanup-on-fail
    h history "$name" --max 1
}

case ${1:-rollback} in
    rollback | current) "${1:-rollback}" ;;
    *) fail "unknown command '$1': see the head of this file" ;;
esac
