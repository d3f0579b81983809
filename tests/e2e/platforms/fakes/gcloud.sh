#!/bin/bash
# cloud.google.com/sdk/gcloud/reference/run/services/{describe,update-traffic} and run/revisions/describe. The fields:
# Service and TrafficTarget of the Cloud Run Admin API v1 (serving.knative.dev/v1); observedGeneration is the generation
# that the status is about.
. "${0%/*}/fake.sh"
service() {
    printf '{"metadata":{"name":"api","generation":5},"status":{"observedGeneration":%s,"traffic":[%s],"conditions":[{"type":"Ready","status":"%s","message":"%s"}]}}\n' "$1" "$2" "$3" "$4"
}
all() { printf '{"revisionName":"%s","percent":100},{"revisionName":"api-old","tag":"old"}' "$1"; }
case $* in
    'run services describe api --region europe-west1 --project shop-1 --format json')
        if rolled; then
            case $scenario in
                stuck) service 4 "$(all api-bad)" Unknown 'Deploying' ;;
                wrong) service 5 "$(all api-other)" True ;;
                *) service 5 "$(all api-good)" True ;;
            esac
        else
            case $scenario in
                live) service 5 "$(all api-good)" True ;;
                failed) service 5 "$(all api-good)" False 'Revision api-bad is not ready' ;;
                pending) service 4 "$(all api-good)" Unknown 'Deploying' ;;
                *) service 5 "$(all api-bad)" True ;;
            esac
        fi ;;
    'run revisions describe api-good --region europe-west1 --project shop-1 --format json')
        if is gone; then
            echo 'ERROR: (gcloud.run.revisions.describe) Cannot find revision [api-good]' >&2
            exit 1
        fi
        printf '{"metadata":{"name":"api-good","labels":{"serving.knative.dev/service":"api"}}}\n' ;;
    'run services update-traffic api --to-revisions api-good=100 --region europe-west1 --project shop-1 --quiet') change ;;
    *) unexpected "$@" ;;
esac
