#!/usr/bin/env bash
# Rolls a service on Railway back to a known-good deployment, for `dm-rollback … -- scripts/rollback/railway.sh`. It uses
# Railway's API, because Railway's CLI has no rollback command.
#
#   railway.sh             roll back to $DM_ROLLBACK_RELEASE and wait until it is live
#   railway.sh current     print the live deployment; record it as DM_RELEASE
#
# Authenticate with $RAILWAY_TOKEN (a project token) or $RAILWAY_API_TOKEN (an account token). $RAILWAY_PROJECT_ID,
# $RAILWAY_ENVIRONMENT_ID and $RAILWAY_SERVICE_ID identify the service, as they do inside Railway. $RAILWAY_TIMEOUT is the
# time limit in seconds (150).
set -euo pipefail

fail() { printf 'railway.sh: %s\n' "$*" >&2; exit 1; }

api=${RAILWAY_API_URL:-https://backboard.railway.com/graphql/v2}
id='[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'
for name in RAILWAY_PROJECT_ID RAILWAY_ENVIRONMENT_ID RAILWAY_SERVICE_ID; do
    [[ ${!name:-} =~ ^$id$ ]] || fail "set $name: you find it in the project's settings"
done
if [ -n "${RAILWAY_TOKEN:-}" ]; then
    header="Project-Access-Token: $RAILWAY_TOKEN"
else
    header="Authorization: Bearer ${RAILWAY_API_TOKEN:?set RAILWAY_TOKEN or RAILWAY_API_TOKEN}"
fi
[[ $header != *[\"\\$'\n']* ]] || fail "the token contains characters that no Railway token has"

# Sends a query to the API and prints the response in one line. curl reads the token from stdin, because other users can
# read its arguments.
query_api() {
    local response
    response=$(printf 'header = "%s"\n' "$header" |
        curl --silent --show-error --fail-with-body --max-time 20 --config - --header 'Content-Type: application/json' \
            --data-binary "{\"query\":\"$1\",\"variables\":$2}" "$api" | tr -d '\n') ||
        fail "the request to $api failed: ${response:0:400}"
    [[ $response != *'"errors"'* ]] || fail "Railway rejected the request: ${response:0:400}"
    printf '%s\n' "$response"
}

# Prints the value of a field whose name occurs once in the response.
field() { sed -n "s/.*\"$1\" *: *\"\{0,1\}\([^\",}]*\).*/\1/p"; }

newest() {
    # shellcheck disable=SC2016
    query_api 'query($environmentId: String!, $serviceId: String!) { serviceInstance(environmentId: $environmentId, serviceId: $serviceId) { latestDeployment { id status } } }' \
        "{\"environmentId\":\"$RAILWAY_ENVIRONMENT_ID\",\"serviceId\":\"$RAILWAY_SERVICE_ID\"}"
}

current() {
    local response deployment
    # shellcheck disable=SC2016
    response=$(query_api 'query($input: DeploymentListInput!, $first: Int) { deployments(input: $input, first: $first) { edges { node { id } } } }' \
        "{\"first\":1,\"input\":{\"projectId\":\"$RAILWAY_PROJECT_ID\",\"environmentId\":\"$RAILWAY_ENVIRONMENT_ID\",\"serviceId\":\"$RAILWAY_SERVICE_ID\",\"status\":{\"in\":[\"SUCCESS\"]}}}")
    deployment=$(field id <<< "$response")
    [[ $deployment =~ ^$id$ ]] || fail "the service has no live deployment"
    printf '%s\n' "$deployment"
}

rollback() {
    local target=${DM_ROLLBACK_RELEASE:-${DM_ROLLBACK_TARGET:-}} response before now status deadline
    [[ $target =~ ^$id$ ]] ||
        fail "'$target' is not a deployment: record versions with DM_RELEASE=\$(railway.sh current), or use --target"
    # shellcheck disable=SC2016
    response=$(query_api 'query($id: String!) { deployment(id: $id) { canRollback } }' "{\"id\":\"$target\"}")
    [ "$(field canRollback <<< "$response")" = true ] ||
        fail "Railway can no longer roll back to $target: its image is gone. Deploy that version again"
    response=$(newest)
    before=$(field id <<< "$response")
    # shellcheck disable=SC2016
    response=$(query_api 'mutation($id: String!) { deploymentRollback(id: $id) }' "{\"id\":\"$target\"}")
    [ "$(field deploymentRollback <<< "$response")" = true ] || fail "Railway did not roll back to $target"
    printf 'rolling back to %s\n' "$target"
    # The rollback is a new deployment of the old image.
    deadline=$((SECONDS + ${RAILWAY_TIMEOUT:-150}))
    while :; do
        response=$(newest)
        now=$(field id <<< "$response")
        status=$(field status <<< "$response")
        if [ "$now" != "$before" ]; then
            case $status in
                SUCCESS) printf '%s is live\n' "$now"; return ;;
                FAILED | CRASHED | REMOVED | SKIPPED) fail "deployment $now, the rollback to $target, is $status" ;;
            esac
        fi
        [ $SECONDS -lt "$deadline" ] || fail "deployment $now is still $status after ${RAILWAY_TIMEOUT:-150} s"
        sleep "${RAILWAY_INTERVAL:-3}"
    done
}

case ${1:-rollback} in
    rollback | current) "${1:-rollback}" ;;
    *) fail "unknown command '$1': see the head of this file" ;;
esac
