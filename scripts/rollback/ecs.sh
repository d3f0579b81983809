#!/usr/bin/env bash
# Rolls a service on AWS ECS back to a known-good task definition, for `dm-rollback … -- scripts/rollback/ecs.sh`.
#
#   ecs.sh             update the service to the task definition $DM_ROLLBACK_RELEASE and wait until it is rolled out
#   ecs.sh current     print the ARN of the live task definition
#
# ECS_CLUSTER and ECS_SERVICE are their names, ECS_TIMEOUT the time limit in seconds (150, which is short if a load
# balancer drains connections: raise dm-rollback's --rollback-timeout too). Account and region are those of the AWS CLI.
# For services with rolling updates, not for those of CodeDeploy. The number of tasks stays as it is.
#
# Exit codes: 0 it is live, 1 it is not or nobody knows, 2 wrong use. More: docs/observability/platforms.md
. "$(dirname "$0")/common.sh" || exit 2

needs aws jq
setting ECS_CLUSTER '[A-Za-z0-9][A-Za-z0-9_-]*' 'the name of the cluster'
setting ECS_SERVICE '[A-Za-z0-9][A-Za-z0-9_-]*' 'the name of the service'
limits ECS
check="aws ecs describe-services --cluster $ECS_CLUSTER --services $ECS_SERVICE"
export AWS_PAGER=''

# Prints the service, or fails.
service() {
    query aws ecs describe-services --cluster "$ECS_CLUSTER" --services "$ECS_SERVICE" --output json |
        jq --exit-status '.services[0] // empty'
}

# The newest deployment is PRIMARY. While it is rolled out, or after it failed, tasks of several versions may run.
live() {
    local json
    json=$(service) || fail "cannot read the service $ECS_SERVICE in $ECS_CLUSTER: is the name right? See above"
    jq --exit-status --raw-output '.deployments[] | select(.status == "PRIMARY" and .rolloutState == "COMPLETED").taskDefinition' <<< "$json" ||
        fail "it is not known what is live: $(describe <<< "$json"). Look with: $check"
}

describe() {
    jq --raw-output '[.deployments[] | select(.status == "PRIMARY")][0] |
        "the newest deployment of \(.taskDefinition) is \(.rolloutState // "of a kind without rolloutState"), \(.rolloutStateReason // "" | rtrimstr("."))"'
}

is_live() {
    local json
    json=$(service) || { state='aws ecs describe-services failed'; return 1; }
    state=$(describe <<< "$json")
    jq --exit-status --arg target "$release" '.deployments[] | select(.status == "PRIMARY") |
        .rolloutState == "COMPLETED" and .taskDefinition == $target' <<< "$json" > /dev/null
}

is_restored() {
    is_live && return
    [[ $state != "the newest deployment of $release is FAILED"* ]] || fail "the rollback failed: $state. Look with: $check"
    return 1
}

restore() {
    local json
    to_restore 'arn:aws[a-z-]*:ecs:[a-z0-9-]+:[0-9]{12}:task-definition/[A-Za-z0-9_-]+:[0-9]+' 'the ARN of a task definition with its revision'
    json=$(service) || fail "cannot read the service $ECS_SERVICE in $ECS_CLUSTER, nothing was changed: see above"
    jq --exit-status '(.deploymentController.type // "ECS") == "ECS"' <<< "$json" > /dev/null ||
        fail "$ECS_SERVICE is not deployed by ECS itself: roll back with CodeDeploy, or whatever deploys it"
    state=$(query aws ecs describe-task-definition --task-definition "$release" --query taskDefinition.status --output text) ||
        fail "$release cannot be read, nothing was changed: see above"
    [ "$state" = ACTIVE ] || fail "$release is $state: register that task definition again"
    unless_live is_live
    say "updating $ECS_SERVICE to $release"
    bounded aws ecs update-service --cluster "$ECS_CLUSTER" --service "$ECS_SERVICE" --task-definition "$release" --output json > /dev/null ||
        fail "aws ecs update-service failed. Look with: $check"
    await is_restored
    say "$release is live"
}

main "$@"
