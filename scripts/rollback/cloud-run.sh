#!/usr/bin/env bash
# Rolls a service on Cloud Run back to a known-good revision, for `dm-rollback … -- scripts/rollback/cloud-run.sh`.
#
#   cloud-run.sh             send all traffic to the revision $DM_ROLLBACK_RELEASE
#   cloud-run.sh current     print the revision that has all traffic
#
# CLOUD_RUN_SERVICE and CLOUD_RUN_REGION are required, CLOUD_RUN_PROJECT is that of gcloud; CLOUD_RUN_TIMEOUT is the
# time limit in seconds (150). Afterwards the traffic stays with that revision: the next deployment has to send it on,
# with `gcloud run services update-traffic SERVICE --to-latest`.
#
# Exit codes: 0 it is live, 1 it is not or nobody knows, 2 wrong use. More: docs/observability/platforms.md
. "$(dirname "$0")/common.sh" || exit 2

needs gcloud jq
name='[a-z]([a-z0-9-]*[a-z0-9])?'
setting CLOUD_RUN_SERVICE "$name" 'the name of the service'
setting CLOUD_RUN_REGION '[a-z]+-[a-z]+[0-9]+' 'the region, such as europe-west1'
setting CLOUD_RUN_PROJECT "($name)?" 'the id of the project'
limits CLOUD_RUN
place=(--region "$CLOUD_RUN_REGION" ${CLOUD_RUN_PROJECT:+--project "$CLOUD_RUN_PROJECT"})
check="gcloud run services describe $CLOUD_RUN_SERVICE ${place[*]}"

service() { query gcloud run services describe "$CLOUD_RUN_SERVICE" "${place[@]}" --format json; }

# Traffic changes when a revision is ready, so a revision that failed has none.
live() {
    local json
    json=$(service) || fail "cannot read the service $CLOUD_RUN_SERVICE: see above"
    jq --exit-status --raw-output 'select(.status.observedGeneration == .metadata.generation) |
        [.status.traffic[] | select((.percent // 0) > 0)] | select(length == 1)[0].revisionName' <<< "$json" ||
        fail "it is not known what is live: a change is going on, or traffic is split: $(jq --compact-output .status.traffic <<< "$json"). Look with: $check"
}

# If a newer revision failed or is not ready yet, the traffic may still move.
is_live() {
    local json
    json=$(service) || { state='gcloud run services describe failed'; return 1; }
    state=$(jq --raw-output '"traffic is \(.status.traffic | map("\(.revisionName)=\(.percent // 0)") | join(", "))" +
        ", and the service is \(.status.conditions[]? | select(.type == "Ready") | if .status == "True" then "ready" else "not ready: \(.message)" end)"' <<< "$json")
    jq --exit-status --arg target "$release" '.status.observedGeneration == .metadata.generation and
        any(.status.traffic[]; .revisionName == $target and .percent == 100)' <<< "$json" > /dev/null
}

is_settled() { is_live && [[ $state == *'the service is ready' ]]; }

restore() {
    local owner
    to_restore "$name" 'the name of a revision'
    owner=$(query gcloud run revisions describe "$release" "${place[@]}" --format json |
        jq --raw-output '.metadata.labels["serving.knative.dev/service"] // ""') ||
        fail "there is no revision $release any more, or it cannot be read; nothing was changed: see above"
    [ "$owner" = "$CLOUD_RUN_SERVICE" ] || fail "$release is not a revision of $CLOUD_RUN_SERVICE but of ${owner:-nothing}: nothing was changed"
    unless_live is_settled
    say "sending all traffic of $CLOUD_RUN_SERVICE to $release"
    bounded gcloud run services update-traffic "$CLOUD_RUN_SERVICE" --to-revisions "$release=100" "${place[@]}" --quiet ||
        fail "gcloud run services update-traffic failed. Look with: $check"
    await is_live
    say "$release is live; the next deployment needs: gcloud run services update-traffic $CLOUD_RUN_SERVICE --to-latest"
}

main "$@"
