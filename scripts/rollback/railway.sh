#!/usr/bin/env bash
# Puts a service on Railway back to a deployment that was good, for `dm-rollback … -- scripts/rollback/railway.sh`.
# Railway's own command line has no command for that; its API has.
#
#   railway.sh             back to $DM_ROLLBACK_RELEASE, and waits until that is live
#   railway.sh current     print the deployment that is live, to be kept as DM_RELEASE
#
# $RAILWAY_TOKEN (a project's) or $RAILWAY_API_TOKEN (an account's) lets in; $RAILWAY_PROJECT_ID, $RAILWAY_ENVIRONMENT_ID
# and $RAILWAY_SERVICE_ID say what, as they do inside of Railway. $RAILWAY_TIMEOUT is how many seconds it may take (150).
set -euo pipefail

fail() { printf 'railway.sh: %s\n' "$*" >&2; exit 1; }

api=${RAILWAY_API_URL:-https://backboard.railway.com/graphql/v2}
id='[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'
for name in RAILWAY_PROJECT_ID RAILWAY_ENVIRONMENT_ID RAILWAY_SERVICE_ID; do
    [[ ${!name:-} =~ ^$id$ ]] || fail "set $name: the project's settings show it"
done
if [ -n "${RAILWAY_TOKEN:-}" ]; then
    header="Project-Access-Token: $RAILWAY_TOKEN"
else
    header="Authorization: Bearer ${RAILWAY_API_TOKEN:?set RAILWAY_TOKEN or RAILWAY_API_TOKEN}"
fi
[[ $header != *[\"\\$'\n']* ]] || fail "the token has characters that no token of Railway has"

# Asks the API, and prints the answer in one line. The token goes in by stdin: other users can read arguments.
ask() {
    local answer
    answer=$(printf 'header = "%s"\n' "$header" |
        curl --silent --show-error --fail-with-body --max-time 20 --config - --header 'Content-Type: application/json' \
            --data-binary "{\"query\":\"$1\",\"variables\":$2}" "$api" | tr -d '\n') ||
        fail "$api could not be asked: ${answer:0:400}"
    [[ $answer != *'"errors"'* ]] || fail "Railway says no: ${answer:0:400}"
    printf '%s\n' "$answer"
}

# The value of a field whose name is in the answer once.
field() { sed -n "s/.*\"$1\" *: *\"\{0,1\}\([^\",}]*\).*/\1/p"; }

newest() {
    # shellcheck disable=SC2016
    ask 'query($environmentId: String!, $serviceId: String!) { serviceInstance(environmentId: $environmentId, serviceId: $serviceId) { latestDeployment { id status } } }' \
        "{\"environmentId\":\"$RAILWAY_ENVIRONMENT_ID\",\"serviceId\":\"$RAILWAY_SERVICE_ID\"}"
}

current() {
    local answer deployment
    # shellcheck disable=SC2016
    answer=$(ask 'query($input: DeploymentListInput!, $first: Int) { deployments(input: $input, first: $first) { edges { node { id } } } }' \
        "{\"first\":1,\"input\":{\"projectId\":\"$RAILWAY_PROJECT_ID\",\"environmentId\":\"$RAILWAY_ENVIRONMENT_ID\",\"serviceId\":\"$RAILWAY_SERVICE_ID\",\"status\":{\"in\":[\"SUCCESS\"]}}}")
    deployment=$(field id <<< "$answer")
    [[ $deployment =~ ^$id$ ]] || fail "no deployment of the service is live"
    printf '%s\n' "$deployment"
}

rollback() {
    local target=${DM_ROLLBACK_RELEASE:-${DM_ROLLBACK_TARGET:-}} answer before now status deadline
    [[ $target =~ ^$id$ ]] ||
        fail "'$target' is not a deployment: keep versions with DM_RELEASE=\$(railway.sh current), or give --target"
    # shellcheck disable=SC2016
    answer=$(ask 'query($id: String!) { deployment(id: $id) { canRollback } }' "{\"id\":\"$target\"}")
    [ "$(field canRollback <<< "$answer")" = true ] ||
        fail "Railway cannot go back to $target any more: its image is gone. Deploy that version again"
    answer=$(newest)
    before=$(field id <<< "$answer")
    # shellcheck disable=SC2016
    answer=$(ask 'mutation($id: String!) { deploymentRollback(id: $id) }' "{\"id\":\"$target\"}")
    [ "$(field deploymentRollback <<< "$answer")" = true ] || fail "Railway did not roll back to $target"
    printf 'rolling back to %s\n' "$target"
    # It is a new deployment of the old image.
    deadline=$((SECONDS + ${RAILWAY_TIMEOUT:-150}))
    while :; do
        answer=$(newest)
        now=$(field id <<< "$answer")
        status=$(field status <<< "$answer")
        if [ "$now" != "$before" ]; then
            case $status in
                SUCCESS) printf '%s is live\n' "$now"; return ;;
                FAILED | CRASHED | REMOVED | SKIPPED) fail "deployment $now, which goes back to $target, is $status" ;;
            esac
        fi
        [ $SECONDS -lt "$deadline" ] || fail "deployment $now is still $status"
        sleep "${RAILWAY_INTERVAL:-3}"
    done
}

case ${1:-rollback} in
    rollback | current) "${1:-rollback}" ;;
    *) fail "unknown verb '$1': see the head of this file" ;;
esac
