#!/usr/bin/env bash
# Puts a Helm release back to a revision that was good, for `dm-rollback … -- scripts/rollback/helm.sh`.
#
#   helm.sh             back to $DM_ROLLBACK_RELEASE, and waits until it is ready
#   helm.sh current     print the revision that is live, to be kept as DM_RELEASE
#
# $HELM_RELEASE names the release; $HELM_NAMESPACE its namespace, $HELM_TIMEOUT how long it may take. Without a revision
# `helm rollback` takes the one before, even where that one failed.
set -euo pipefail

fail() { printf 'helm.sh: %s\n' "$*" >&2; exit 1; }

name=${HELM_RELEASE:-}
[[ $name =~ ^[a-z0-9][a-z0-9.-]*$ ]] || fail "set HELM_RELEASE to the name of the release"
h() { helm "$@" ${HELM_NAMESPACE:+--namespace "$HELM_NAMESPACE"}; }

# Each revision and its status. The time before the status is five words: Mon Jan 5 10:00:00 2026.
revisions() { h history "$name" --max 256 | awk 'NR > 1 { print $1, $7 }'; }

current() {
    local revision
    revision=$(revisions | awk '$2 == "deployed" { revision = $1 } END { print revision }')
    [ -n "$revision" ] || fail "no revision of $name is deployed"
    printf '%s\n' "$revision"
}

rollback() {
    local revision=${DM_ROLLBACK_RELEASE:-${DM_ROLLBACK_TARGET:-}} status
    [[ $revision =~ ^[1-9][0-9]*$ ]] ||
        fail "'$revision' is not a revision: keep versions with DM_RELEASE=\$(helm.sh current), or give --target"
    status=$(revisions | awk -v revision="$revision" '$1 == revision { print $2 }')
    case $status in
        deployed) printf 'revision %s is live already\n' "$revision"; return ;;
        superseded) ;;
        '') fail "$name has no revision $revision (any more): is --history-max too low?" ;;
        *) fail "revision $revision of $name is $status: it never was good" ;;
    esac
    h rollback "$name" "$revision" --wait --timeout "${HELM_TIMEOUT:-150s}" --cleanup-on-fail
    h history "$name" --max 1
}

case ${1:-rollback} in
    rollback | current) "${1:-rollback}" ;;
    *) fail "unknown verb '$1': see the head of this file" ;;
esac
