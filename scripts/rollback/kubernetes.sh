#!/usr/bin/env bash
# Puts a Kubernetes deployment back to a release that was good, for `dm-rollback … -- scripts/rollback/kubernetes.sh`.
#
#   kubernetes.sh             back to $DM_ROLLBACK_RELEASE, and waits until it is rolled out
#   kubernetes.sh current     print what is live, to be kept as DM_RELEASE
#
# $K8S_DEPLOYMENT names the deployment; $K8S_NAMESPACE its namespace (default), $K8S_TIMEOUT how long the rollout may take.
# A release is the name of a ReplicaSet: revisions are numbered anew by every rollback, and `rollout undo` without one goes
# back to what was before, which may be the bad one.
set -euo pipefail

fail() { printf 'kubernetes.sh: %s\n' "$*" >&2; exit 1; }

deployment=${K8S_DEPLOYMENT:-}
[[ $deployment =~ ^[a-z0-9][a-z0-9.-]*$ ]] || fail "set K8S_DEPLOYMENT to the name of the deployment"
k() { kubectl --namespace "${K8S_NAMESPACE:-default}" "$@"; }

# The revision that is live.
live() {
    k get deployment "$deployment" -o 'jsonpath={.metadata.annotations.deployment\.kubernetes\.io/revision}'
}

# Each ReplicaSet of the deployment, and its revision.
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
        fail "'$release' is not a ReplicaSet: keep versions with DM_RELEASE=\$(kubernetes.sh current), or give --target"
    revision=$(releases | awk -v release="$release" '$1 == release { print $2 }')
    [[ $revision =~ ^[0-9]+$ ]] ||
        fail "deployment $deployment has no ReplicaSet $release (any more): is its revisionHistoryLimit too low?"
    if [ "$revision" = "$(live)" ]; then
        printf '%s is live already\n' "$release"
        return
    fi
    k rollout undo "deployment/$deployment" --to-revision="$revision"
    k rollout status "deployment/$deployment" --timeout="${K8S_TIMEOUT:-150s}"
    [ "$(current)" = "$release" ] || fail "$release was rolled out, and is not live: another rollout came after it"
}

case ${1:-rollback} in
    rollback | current) "${1:-rollback}" ;;
    *) fail "unknown verb '$1': see the head of this file" ;;
esac
