#!/bin/bash
# The commands: hashicorp/nomad command/job_{history,deployments,revert}.go. The fields: api.Job and api.Deployment, with the
# statuses of nomad/structs (running, successful, failed, cancelled). A revert registers a copy as a new version:
# nomad/job_endpoint.go, Revert.
. "${0%/*}/fake.sh"
job() { printf '{"ID":"shop","Version":%s,"Stable":%s,"Stop":false,"SubmitTime":%s,"TaskGroups":[{"Name":"web","Tasks":[{"Config":{"image":"shop:%s"}}]}]}' "$1" "$2" "$1" "$3"; }
deployment() { printf '{"ID":"d","JobID":"shop","JobVersion":%s,"Status":"%s","StatusDescription":"%s"}\n' "$1" "$2" "$3"; }
case $* in
    'job history -json shop')
        printf '['
        if rolled; then
            is wrong && printf '%s,' "$(job 7 true 3.0)"
            printf '%s,' "$(job 6 "$(is stuck && echo false || echo true)" 1.4)"
        fi
        is live || printf '%s,' "$(job 5 "$(is failed || is pending && echo false || echo true)" 2.0)"
        is gone || printf '%s,' "$(job 3 true 1.4)"
        printf '%s]\n' "$(job 2 false 1.3)" ;;
    'job deployments -latest -json shop')
        if rolled; then
            case $scenario in
                wrong) deployment 7 successful 'Deployment completed successfully' ;;
                stuck) deployment 6 running 'Deployment is running' ;;
                *) deployment 6 successful 'Deployment completed successfully' ;;
            esac
        else
            case $scenario in
                failed) deployment 5 failed 'Failed due to progress deadline' ;;
                pending) deployment 5 running 'Deployment is running' ;;
                live) deployment 3 successful 'Deployment completed successfully' ;;
                *) deployment 5 successful 'Deployment completed successfully' ;;
            esac
        fi ;;
    'job revert -detach shop 3') change; echo 'Evaluation ID: 9bd6ff0a' ;;
    *) unexpected "$@" ;;
esac
