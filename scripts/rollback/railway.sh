#!/usr/bin/env bash
# Rolls a service on Railway back to a known-good deployment, for `dm-rollback … -- scripts/rollback/railway.sh`. It
# uses Railway's API, because Railway's CLI has no rollback command.
#
#   railway.sh             roll back to the deployment $DM_ROLLBACK_RELEASE and wait until it is live
#   railway.sh current     print the live deployment
#
# Authenticate with RAILWAY_TOKEN (a project token) or RAILWAY_API_TOKEN (an account token). RAILWAY_PROJECT_ID,
# RAILWAY_ENVIRONMENT_ID and RAILWAY_SERVICE_ID identify the service, as they do inside Railway. RAILWAY_TIMEOUT is the
# time limit in seconds (150). A service that sleeps (serverless) is live. Image and variables are restored, volumes are
# not.
#
# Exit codes: 0 it is live, 1 it is not or nobody knows, 2 wrong use. More: docs/observability/platforms.md
. "$(dirname "$0")/common.sh" || exit 2

needs curl jq
id='[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'
for name in RAILWAY_PROJECT_ID RAILWAY_ENVIRONMENT_ID RAILWAY_SERVICE_ID; do
    setting "$name" "$id" "the id that the project's settings show"
done
setting RAILWAY_API_URL 'https?://[A-Za-z0-9.:/-]+' 'the address of the API' https://backboard.railway.com/graphql/v2
limits RAILWAY
if [ -n "${RAILWAY_TOKEN:-}" ]; then
    secret RAILWAY_TOKEN 'a project token'
    header="Project-Access-Token: $RAILWAY_TOKEN"
else
    secret RAILWAY_API_TOKEN 'an account token, or RAILWAY_TOKEN to a project token'
    header="Authorization: Bearer $RAILWAY_API_TOKEN"
fi
check="the service's deployments on Railway"

# Sends a query with variables, and prints the data of the response.
api() {
    local response
    response=$(request POST "$RAILWAY_API_URL" "$header" "{\"query\":\"$1\",\"variables\":$2}") ||
        { printf 'the request to %s failed: %s\n' "$RAILWAY_API_URL" "$(printable "$response")" >&2; return 1; }
    jq --exit-status --compact-output 'select(.errors | not).data' <<< "$response" ||
        { printf 'Railway rejected the request: %s\n' "$(printable "$response")" >&2; return 1; }
}

# Prints the newest deployment as "ID STATUS".
newest() {
    # shellcheck disable=SC2016
    api 'query($environmentId: String!, $serviceId: String!) { serviceInstance(environmentId: $environmentId, serviceId: $serviceId) { latestDeployment { id status } } }' \
        "{\"environmentId\":\"$RAILWAY_ENVIRONMENT_ID\",\"serviceId\":\"$RAILWAY_SERVICE_ID\"}" |
        jq --exit-status --raw-output '.serviceInstance.latestDeployment | "\(.id) \(.status)"'
}

# A deployment that was replaced is REMOVED, so only the live one has one of these statuses.
live() {
    local json
    # shellcheck disable=SC2016
    json=$(api 'query($input: DeploymentListInput!, $first: Int) { deployments(input: $input, first: $first) { edges { node { id status } } } }' \
        "{\"first\":1,\"input\":{\"projectId\":\"$RAILWAY_PROJECT_ID\",\"environmentId\":\"$RAILWAY_ENVIRONMENT_ID\",\"serviceId\":\"$RAILWAY_SERVICE_ID\",\"status\":{\"in\":[\"SUCCESS\",\"SLEEPING\"]}}}") ||
        fail "cannot read the deployments: see above"
    jq --exit-status --raw-output '.deployments.edges[0].node.id // empty' <<< "$json" ||
        fail "it is not known what is live: no deployment is SUCCESS or SLEEPING. Look at $check"
}

# Whether the target itself is live, and no newer deployment can still replace it.
is_live() { [[ $1 == *' '@(SUCCESS|SLEEPING|FAILED|SKIPPED|REMOVED) ]] && [ "$(live 2> /dev/null)" = "$release" ]; }

# Whether a deployment newer than $1 is live: a rollback is a new deployment of the old image.
is_restored() {
    state=$(newest) || { state='the API failed'; return 1; }
    [ "${state%% *}" != "$1" ] || return 1
    case ${state##* } in
        SUCCESS | SLEEPING) ;;
        FAILED | CRASHED | REMOVED | REMOVING | SKIPPED) fail "the rollback to $release failed: deployment $state. Look at $check" ;;
        *) return 1 ;;
    esac
}

restore() {
    local before json
    to_restore "$id" 'the id of a deployment'
    before=$(newest) || fail "cannot read the deployments, nothing was changed: see above"
    unless_live is_live "$before"
    # shellcheck disable=SC2016
    json=$(api 'query($id: String!) { deployment(id: $id) { canRollback } }' "{\"id\":\"$release\"}") ||
        fail "there is no deployment $release, or it cannot be read; nothing was changed: see above"
    jq --exit-status .deployment.canRollback <<< "$json" > /dev/null ||
        fail "Railway can no longer roll back to $release: its image is gone. Deploy that version again"
    # shellcheck disable=SC2016
    json=$(api 'mutation($id: String!) { deploymentRollback(id: $id) }' "{\"id\":\"$release\"}") ||
        fail "Railway did not roll back to $release: see above"
    say "rolling back to $release"
    await is_restored "${before%% *}"
    [ "$(live)" = "${state%% *}" ] || fail "$release was restored as ${state%% *} but is not live. Look at $check"
    say "$release is live again, as ${state%% *}"
}

main "$@"
