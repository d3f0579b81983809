#!/usr/bin/env bash
# Rolls a Kubernetes deployment back to a known-good release, for `dm-rollback … -- scripts/rollback/kubernetes.sh`.
#
#   kubernetes.sh             roll back to $DM_ROLLBACK_RELEASE and wait until it is rolled out
#   kubernetes.sh current     print the live release; record it as DM_RELEASE
#
# $K8S_DEPLOYMENT is the name of the deployment, $K8S_NAMESPACE its namespace ("default" if not set), and $K8S_TIMEOUT the
# time limit for the rollout (150s). A release is the name of a ReplicaSet, because every rollback renumbers the revisions.
# Without a revision, `rollout undo` restores the previous one, which may be bad.
set -euo pipefail

fail() { printf 'kubernetes.sh: %s\n' "$*" >&2; exit 1; }

deployment=${K8S_DEPLOYMENT:-}
[[ $deployment =~ ^[a-z0-9][a-z0-9.-]*$ ]] || fail "set K8S_DEPLOYMENT to the name of the deployment"
k() { kubectl --namespace "${K8S_NAMESPACE:-default}" "$@"; }

# Prints the live revision.
live() {
    k get deployment "$deployment" -o 'jsonpath={.metadata.annotations.deployment\.kubernetes\.io/revision}'
}

# Prints each ReplicaSet of the deployment and its revision.
releases() {
    k get replicasets -o 'jsonpath={range .items[*]}{.metadata.ownerReferences[0].kind}/{.metadata.ownerReferences[0].name} {.metadata.name} {.metadata.annotations.deployment\.kubernetes\.io/revision}{"\n"}{end}' |
        awk -v owner="Deployment/$deployment" '$1 == owner { print $2, $3 }'
}

current() {
    local revision
    revision=$(live)
    [ -n "$revision" ] || fail "deployment $deployment has no revision"
    releases | awk -v revision="$revision" '$2 == revision { print $1 }'
}

rollback() {
    local release=${DM_ROLLBACK_RELEASE:-${DM_ROLLBACK_TARGET:-}} revision
    [[ $release =~ ^[a-z0-9][a-z0-9.-]*$ ]] ||
        fail "'$release' is not a ReplicaSet: record versions with DM_RELEASE=\$(kubernetes.sh current), or use --target"
    revision=$(releases | awk -v release="$release" '$1 == release { print $2 }')
    [[ $revision =~ ^[0-9]+$ ]] ||
        fail "deployment $deployment has no ReplicaSet $release (any more): check whether its revisionHistoryLimit is too low"
    if [ "$revision" = "$(live)" ]; then
        printf '%s is already live\n' "$release"
        return
    fi
    k rollout undo "deployment/$deployment" --to-revision="$revision"
    k rollout status "deployment/$deployment" --timeout="${K8S_TIMEOUT:-150s}"
    [ "$(current)" = "$release" ] || fail "$release was rolled out but is not live: another rollout followed"
}

case ${1:-rollback} in
    rollback | current) "${1:-rollback}" ;;
    *) fail "unknown command '$1': see the head of this file" ;;
esac
