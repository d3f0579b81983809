#!/usr/bin/env bash
# Rolls workloads on Kubernetes back to a known-good release, for `dm-rollback … -- scripts/rollback/kubernetes.sh`.
#
#   kubernetes.sh             roll back to $DM_ROLLBACK_RELEASE and wait until everything is rolled out
#   kubernetes.sh current     print the live release
#
# K8S_WORKLOADS is a list, such as "deployment/api statefulset/queue daemonset/agent"; K8S_NAMESPACE is their namespace
# ("default"), K8S_TIMEOUT the time limit in seconds (150). A release is the ReplicaSet of each Deployment and the
# ControllerRevision of each StatefulSet and DaemonSet, with commas between them, because every rollback renumbers the
# revisions. Only the pod templates are restored: not ConfigMaps, Secrets or numbers of replicas.
#
# Exit codes: 0 it is live, 1 it is not or nobody knows, 2 wrong use. More: docs/observability/platforms.md
. "$(dirname "$0")/common.sh" || exit 2

needs kubectl jq
K8S_WORKLOADS=${K8S_WORKLOADS:-${K8S_DEPLOYMENT:+deployment/$K8S_DEPLOYMENT}}
name='[a-z0-9]([a-z0-9.-]*[a-z0-9])?'
setting K8S_WORKLOADS "(deployment|statefulset|daemonset)/$name( (deployment|statefulset|daemonset)/$name)*" \
    'a list such as "deployment/api statefulset/queue"'
setting K8S_NAMESPACE "$name" 'the namespace of the workloads' default
limits K8S
read -r -a workloads <<< "$K8S_WORKLOADS"
check="kubectl --namespace $K8S_NAMESPACE rollout status ${workloads[0]}"

k() { bounded kubectl --namespace "$K8S_NAMESPACE" "$@"; }

# Prints one line of JSON: the workload, the names and numbers of its revisions, and whether it is rolled out, by the
# same rules as `kubectl rollout status`.
look() {
    local workload revisions
    workload=$(k get "$1" --output json) && revisions=$(k get replicasets,controllerrevisions --output json) || return
    # On stdin, because the lists of a large cluster are too long for arguments.
    jq --slurp --compact-output '.[0] as $w | ($w.spec.replicas // 1) as $wanted | ($w.status // {}) as $s | {
        kind: $w.kind, paused: ($w.spec.paused // false), on_delete: ($w.spec.updateStrategy.type == "OnDelete"),
        revisions: [.[1].items[] | select(any(.metadata.ownerReferences[]?; .uid == $w.metadata.uid)) | {
            name: .metadata.name,
            number: (.revision // (.metadata.annotations["deployment.kubernetes.io/revision"] // "0" | tonumber))}],
        done: (($s.observedGeneration // 0) >= $w.metadata.generation and
            if $w.kind == "Deployment" then
                all($s.conditions[]?; .reason != "ProgressDeadlineExceeded") and ($s.updatedReplicas // 0) >= $wanted and
                ($s.replicas // 0) <= ($s.updatedReplicas // 0) and ($s.availableReplicas // 0) >= ($s.updatedReplicas // 0)
            elif $w.kind == "StatefulSet" then
                ($s.readyReplicas // 0) >= $wanted and $s.updateRevision == $s.currentRevision
            else
                ($s.updatedNumberScheduled // 0) >= ($s.desiredNumberScheduled // 0) and
                ($s.numberAvailable // 0) >= ($s.desiredNumberScheduled // 0)
            end)}' <<< "$workload$revisions"
}

# Prints the live release, or fails with a reason in one line.
live() {
    local workload json names=()
    for workload in "${workloads[@]}"; do
        json=$(look "$workload") || fail "cannot read $workload: see above"
        jq --exit-status .done <<< "$json" > /dev/null ||
            fail "it is not known what is live: the rollout of $workload is not complete. Look with: $check"
        names+=("$(jq --raw-output '.revisions | max_by(.number).name // ""' <<< "$json")")
    done
    (IFS=, && printf '%s\n' "${names[*]}")
}

is_live() {
    state=$(live 2>&1) || return 1
    [ "$state" = "$release" ]
}

restore() {
    local targets numbers=() number json i
    to_restore "$name(,$name)*" 'a list of ReplicaSets or ControllerRevisions'
    IFS=, read -r -a targets <<< "$release"
    [ ${#targets[@]} = ${#workloads[@]} ] ||
        fail "$release has ${#targets[@]} names for ${#workloads[@]} workloads: K8S_WORKLOADS was another list when it was recorded"
    # Nothing is changed before everything was found.
    for i in "${!workloads[@]}"; do
        json=$(look "${workloads[i]}") || fail "cannot read ${workloads[i]}, nothing was changed: see above"
        number=$(jq --arg name "${targets[i]}" '.revisions[] | select(.name == $name).number' <<< "$json")
        [ -n "$number" ] || fail "${workloads[i]} has no ${targets[i]} any more: deploy that version again, and raise its revisionHistoryLimit"
        jq --exit-status '.paused or .on_delete | not' <<< "$json" > /dev/null ||
            fail "${workloads[i]} is paused, or its update strategy is OnDelete: kubectl does not roll it out. Resume it first"
        numbers+=("$number")
    done
    unless_live is_live
    for i in "${!workloads[@]}"; do
        say "rolling ${workloads[i]} back to ${targets[i]}"
        k rollout undo "${workloads[i]}" --to-revision="${numbers[i]}" ||
            fail "kubectl rollout undo ${workloads[i]} failed; ${i} of ${#workloads[@]} workloads were changed. Look with: $check"
    done
    for i in "${!workloads[@]}"; do
        k rollout status "${workloads[i]}" --timeout="$(left)s" ||
            fail "${targets[i]} is not rolled out: ${workloads[i]} needs attention. Look with: kubectl --namespace $K8S_NAMESPACE describe ${workloads[i]}"
    done
    is_live || fail "$release was rolled out but is not live: $state. Another rollout may have followed"
    say "$release is live"
}

main "$@"
