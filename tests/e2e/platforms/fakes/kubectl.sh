#!/bin/bash
# The objects: kubernetes/api apps/v1 types.go (DeploymentStatus, StatefulSetStatus, ControllerRevision). When a rollout is
# complete: kubectl's polymorphichelpers/rollout_status.go. A rollback gives the old ReplicaSet or ControllerRevision the
# highest number: kubernetes pkg/controller/deployment/util and pkg/controller/history.
. "${0%/*}/fake.sh"
[ "$1 $2" = '--namespace shop' ] || unexpected "$@"
shift 2
replicaset() { printf '{"kind":"ReplicaSet","metadata":{"name":"%s","annotations":{"deployment.kubernetes.io/revision":"%s"},"ownerReferences":[{"uid":"%s"}]}}' "$1" "$2" "${3:-u-web}"; }
revision() { printf '{"kind":"ControllerRevision","metadata":{"name":"%s","ownerReferences":[{"uid":"u-queue"}]},"revision":%s}' "$1" "$2"; }
deployment() {
    local updated=2 reason=NewReplicaSetAvailable
    if ! rolled; then
        is pending && updated=1 reason=ReplicaSetUpdated
        is failed && updated=1 reason=ProgressDeadlineExceeded
    fi
    printf '{"kind":"Deployment","metadata":{"name":"web","uid":"u-web","generation":7},"spec":{"replicas":2,"paused":%s},"status":{"observedGeneration":7,"replicas":2,"updatedReplicas":%s,"availableReplicas":2,"conditions":[{"type":"Progressing","reason":"%s"}]}}\n' "$(is paused && echo true || echo false)" "$updated" "$reason"
}
good=6 queue=2
! is live || { good=8; queue=4; }
! rolled || good=8
[ ! -e rolled-queue ] || queue=4
case $* in
    'get deployment/web --output json') deployment ;;
    'get statefulset/queue --output json')
        printf '{"kind":"StatefulSet","metadata":{"name":"queue","uid":"u-queue","generation":3},"spec":{"replicas":1,"updateStrategy":{"type":"RollingUpdate"}},"status":{"observedGeneration":3,"readyReplicas":1,"updateRevision":"x","currentRevision":"x"}}\n' ;;
    'get replicasets,controllerrevisions --output json')
        printf '{"kind":"List","items":['
        replicaset other-1 99 u-other
        is gone || { printf ','; replicaset web-good "$good"; }
        rolled && is wrong && { printf ','; replicaset web-other 9; }
        printf ',%s,%s,%s]}\n' "$(replicaset web-bad 7)" "$(revision queue-good "$queue")" "$(revision queue-bad 3)" ;;
    'rollout undo deployment/web --to-revision=6') touch rolled; echo 'deployment.apps/web rolled back' ;;
    'rollout undo statefulset/queue --to-revision=2') change; touch rolled-queue; echo 'statefulset.apps/queue rolled back' ;;
    'rollout status '*' --timeout='*s)
        if is stuck; then
            echo 'error: timed out waiting for the condition' >&2
            exit 1
        fi ;;
    *) unexpected "$@" ;;
esac
