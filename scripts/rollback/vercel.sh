#!/usr/bin/env bash
# Rolls a project on Vercel back to a known-good deployment, for `dm-rollback … -- scripts/rollback/vercel.sh`. It uses
# Vercel's API, as `vercel rollback` does.
#
#   vercel.sh             point the production domains at the deployment $DM_ROLLBACK_RELEASE
#   vercel.sh current     print the deployment that the production domain points at
#
# VERCEL_TOKEN is a token, VERCEL_PROJECT_ID the project (prj_…), VERCEL_ORG_ID its team (team_…) if it has one,
# VERCEL_DOMAIN a production domain, such as shop.example.com; VERCEL_TIMEOUT is the time limit in seconds (150). On the
# Hobby plan, only the previous production deployment can be restored. After a rollback Vercel does not point the
# domains at new deployments any more: the next one has to be promoted (`vercel promote`).
#
# Exit codes: 0 it is live, 1 it is not or nobody knows, 2 wrong use. More: docs/observability/platforms.md
. "$(dirname "$0")/common.sh" || exit 2

needs curl jq
setting VERCEL_PROJECT_ID 'prj_[A-Za-z0-9]+' 'the id of the project, such as prj_…'
setting VERCEL_ORG_ID '(team_[A-Za-z0-9]+)?' 'the id of the team, such as team_…'
setting VERCEL_DOMAIN '[a-z0-9]([a-z0-9.-]*[a-z0-9])?' 'a production domain of the project'
secret VERCEL_TOKEN 'a token'
setting VERCEL_API_URL 'https?://[A-Za-z0-9.:/-]+' 'the address of the API' https://api.vercel.com
limits VERCEL
check='vercel rollback status'

api() { request "$1" "$VERCEL_API_URL/$2${VERCEL_ORG_ID:+?teamId=$VERCEL_ORG_ID}" "Authorization: Bearer $VERCEL_TOKEN" "${3:-}"; }

live() {
    local json
    json=$(api GET "v4/aliases/$VERCEL_DOMAIN") || fail "cannot read the domain $VERCEL_DOMAIN: $(message "$json")"
    jq --exit-status --raw-output --arg project "$VERCEL_PROJECT_ID" 'select(.projectId == $project).deploymentId // empty' <<< "$json" ||
        fail "it is not known what is live: $VERCEL_DOMAIN does not point at $VERCEL_PROJECT_ID"
}

# Domains are moved one after the other, so the request for it has to be done too.
is_live() {
    local json
    json=$(api GET "v9/projects/$VERCEL_PROJECT_ID") || { state='the API failed'; return 1; }
    job=$(jq --raw-output --arg target "$release" '.lastAliasRequest // {} | if .toDeploymentId == $target then .jobStatus
        elif .jobStatus | IN("pending", "in-progress") then "replaced" else "none" end' <<< "$json")
    building=$(jq '[.latestDeployments[]? | select(.target == "production" and (.readyState | IN("READY", "ERROR", "CANCELED") | not))] | length' <<< "$json")
    state=$(live 2>&1) || return 1
    [ "$state" = "$release" ] && [[ $job == none || $job == succeeded ]] && return
    state="$VERCEL_DOMAIN points at $state, and the request is $job"
    return 1
}

# A production build that is going on takes the domains when it is ready, unless there was a rollback.
is_settled() { is_live && [ "$building" = 0 ]; }

is_restored() {
    is_live && return
    case $job in failed | skipped) fail "the rollback to $release $job, and some domains may have been moved. Look with: $check" ;; esac
    return 1
}

restore() {
    local json job='' building=''
    to_restore 'dpl_[A-Za-z0-9]+' 'the id of a deployment, such as dpl_…'
    json=$(api GET "v13/deployments/$release") || fail "there is no deployment $release any more, or it cannot be read; nothing was changed: $(message "$json")"
    state=$(jq --raw-output '"\(.projectId) \(.target) \(.readyState)"' <<< "$json")
    [ "$state" = "$VERCEL_PROJECT_ID production READY" ] ||
        fail "$release is not a production deployment of $VERCEL_PROJECT_ID that is ready, but: $state. Choose another"
    unless_live is_settled
    say "rolling $VERCEL_DOMAIN back to $release"
    json=$(api POST "v1/projects/$VERCEL_PROJECT_ID/rollback/$release" '{}') ||
        fail "Vercel refused the rollback: $(message "$json"). Promote that deployment, or deploy that version again"
    await is_restored
    say "$release is live; the next deployment has to be promoted: vercel promote"
}

main "$@"
