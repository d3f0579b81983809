#!/usr/bin/env bash
# Rolls a service on Render back to a known-good deploy, for `dm-rollback … -- scripts/rollback/render.sh`. It uses
# Render's API.
#
#   render.sh             roll back to the deploy $DM_ROLLBACK_RELEASE and wait until it is live
#   render.sh current     print the live deploy
#
# RENDER_API_KEY is the key, RENDER_SERVICE_ID the service (srv-…), RENDER_TIMEOUT the time limit in seconds (150).
# Render goes on deploying new commits by itself after a rollback by API: switch autoDeploy off, or the fault comes back
# with the next commit. Environment variables stay as they are.
#
# Exit codes: 0 it is live, 1 it is not or nobody knows, 2 wrong use. More: docs/observability/platforms.md
. "$(dirname "$0")/common.sh" || exit 2

needs curl jq
setting RENDER_SERVICE_ID 'srv-[a-z0-9]+' 'the id of the service, such as srv-…'
secret RENDER_API_KEY 'a key of the API'
setting RENDER_API_URL 'https?://[A-Za-z0-9.:/-]+' 'the address of the API' https://api.render.com/v1
limits RENDER
service=$RENDER_API_URL/services/$RENDER_SERVICE_ID
check="the service's Events page on Render"

api() { request "$1" "$service/$2" "Authorization: Bearer $RENDER_API_KEY" "${3:-}"; }

# Prints the deploys as a list, the newest first.
deploys() { api GET 'deploys?limit=100' | jq --exit-status --compact-output 'map(.deploy)'; }

# A new deploy replaces the live one only when it is healthy.
live() {
    local json
    json=$(deploys) || fail "cannot read the deploys of $RENDER_SERVICE_ID: see above"
    jq --exit-status --raw-output 'map(select(.status == "live")) | select(length == 1)[0].id' <<< "$json" ||
        fail "it is not known what is live: none of the last 100 deploys of $RENDER_SERVICE_ID is. Look at $check"
}

# Whether the target itself is live, and no newer deploy can still replace it.
is_live() {
    local json
    json=$(deploys) || { state='the API failed'; return 1; }
    jq --exit-status --arg target "$release" 'map(select(.status | IN("deactivated", "canceled") or endswith("failed") | not))[0] |
        .id == $target and .status == "live"' <<< "$json" > /dev/null
}

restore() {
    local json deploy
    to_restore 'dep-[a-z0-9]+' 'the id of a deploy, such as dep-…'
    json=$(api GET "deploys/$release") || fail "$RENDER_SERVICE_ID has no deploy $release, or it cannot be read; nothing was changed: $(message "$json")"
    state=$(jq --raw-output .status <<< "$json")
    [[ $state == live || $state == deactivated ]] || fail "deploy $release is $state and was never live: choose another"
    unless_live is_live
    say "rolling back to $release"
    json=$(api POST rollback "{\"deployId\":\"$release\"}") ||
        fail "Render refused the rollback; its build may be gone: $(message "$json"). Deploy that version again"
    deploy=$(jq --raw-output .id <<< "$json")
    matches "$deploy" 'dep-[a-z0-9]+' || fail "Render did not name the deploy of the rollback: look at $check"
    await is_restored "$deploy" "$(api GET "deploys/$release" | built_from)"
    say "$release is live again, as $deploy. New commits are deployed as before: see autoDeploy"
}

built_from() { jq --compact-output '[.commit.id, .image.sha]'; }

# Whether deploy $1 is live, and was built from $2.
is_restored() {
    local json
    json=$(api GET "deploys/$1") || { state='the API failed'; return 1; }
    state="deploy $1 is $(jq --raw-output .status <<< "$json")"
    case $state in
        *' live') [ "$(built_from <<< "$json")" = "$2" ] || fail "$1 is live but was built from something else than $release: look at $check" ;;
        *failed | *canceled | *deactivated) fail "the rollback to $release failed: $state. Look at $check" ;;
        *) return 1 ;;
    esac
}

main "$@"
