#!/bin/bash
# API_Service and API_Deployment in the Amazon ECS API Reference: status PRIMARY or ACTIVE; rolloutState IN_PROGRESS,
# COMPLETED or FAILED. API_TaskDefinition: status ACTIVE, INACTIVE or DELETE_IN_PROGRESS.
. "${0%/*}/fake.sh"
good=arn:aws:ecs:eu-west-1:123456789012:task-definition/shop:7
bad=arn:aws:ecs:eu-west-1:123456789012:task-definition/shop:8
deployment() { printf '{"id":"ecs-svc/1","status":"%s","taskDefinition":"%s","rolloutState":"%s","rolloutStateReason":"ECS deployment ecs-svc/1."}' "$1" "$2" "$3"; }
service() { printf '{"services":[{"serviceName":"api","deployments":[%s]}],"failures":[]}\n' "$1"; }
case $* in
    'ecs describe-services --cluster shop --services api --output json')
        if rolled; then
            case $scenario in
                stuck) service "$(deployment PRIMARY "$good" IN_PROGRESS),$(deployment ACTIVE "$bad" COMPLETED)" ;;
                phase) service "$(deployment PRIMARY "$good" FAILED),$(deployment ACTIVE "$bad" COMPLETED)" ;;
                wrong) service "$(deployment PRIMARY "$bad" COMPLETED)" ;;
                *) service "$(deployment PRIMARY "$good" COMPLETED)" ;;
            esac
        else
            case $scenario in
                live) service "$(deployment PRIMARY "$good" COMPLETED)" ;;
                failed) service "$(deployment PRIMARY "$bad" FAILED),$(deployment ACTIVE "$good" COMPLETED)" ;;
                pending) service "$(deployment PRIMARY "$bad" IN_PROGRESS),$(deployment ACTIVE "$good" COMPLETED)" ;;
                *) service "$(deployment PRIMARY "$bad" COMPLETED)" ;;
            esac
        fi ;;
    "ecs describe-task-definition --task-definition $good --query taskDefinition.status --output text")
        is gone && echo INACTIVE || echo ACTIVE ;;
    "ecs update-service --cluster shop --service api --task-definition $good --output json") change; service '' ;;
    *) unexpected "$@" ;;
esac
