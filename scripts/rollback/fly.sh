#!/usr/bin/env bash
# Rolls an app on Fly.io back to a known-good image, for `dm-rollback … -- scripts/rollback/fly.sh`.
#
#   fly.sh             deploy the image $DM_ROLLBACK_RELEASE again, because Fly has no rollback command
#   fly.sh current     print the image of all Machines, by its digest
#
# FLY_APP is the name of the app, FLY_TIMEOUT the time limit in seconds (150). Only the image is restored: configuration
# comes from the fly.toml of the working directory if there is one, secrets stay as they are. `fly deploy` runs the
# release_command of that configuration with the OLD image, so check that its migrations do no harm.
#
# Exit codes: 0 it is live, 1 it is not or nobody knows, 2 wrong use. More: docs/observability/platforms.md
. "$(dirname "$0")/common.sh" || exit 2

needs fly jq
setting FLY_APP '[a-z0-9][a-z0-9-]*' 'the name of the app'
limits FLY
check="fly status --app $FLY_APP"

# Prints the images of the Machines that `fly deploy` manages, one a line.
images() {
    query fly machine list --app "$FLY_APP" --json | jq --raw-output '[.[] | select(.state | IN("destroyed", "destroying") | not) |
        select(.config.metadata.fly_process_group // "fly_app_" | startswith("fly_app_") | not) |
        .image_ref | "\(.registry)/\(.repository)@\(.digest)"] | unique[]'
}

live() {
    local found
    found=$(images) || fail "cannot read the Machines of $FLY_APP: see above"
    [[ $found == *@sha256:* && $found != *$'\n'* ]] ||
        fail "it is not known what is live: the Machines of $FLY_APP run no image, or several: $found. Look with: $check"
    printf '%s\n' "$found"
}

# The newest release must be complete too: otherwise a deployment is going on, or has failed part-way.
is_live() {
    local status
    state=$(images) || { state='fly machine list failed'; return 1; }
    status=$(query fly releases --app "$FLY_APP" --json | jq --raw-output 'max_by(.Version) | .Status') ||
        { state='fly releases failed'; return 1; }
    [ "$state $status" = "$release complete" ] || { state="the Machines run $state, and the newest release is $status"; return 1; }
}

restore() {
    to_restore '[a-z0-9][A-Za-z0-9./_-]*(:[0-9]+/[A-Za-z0-9./_-]+)?@sha256:[0-9a-f]{64}' 'an image with its digest'
    unless_live is_live
    say "deploying $release to $FLY_APP"
    bounded fly deploy --app "$FLY_APP" --image "$release" --wait-timeout "$(left)s" --yes ||
        fail "fly deploy failed: the image may be gone, or only some Machines run it. Look with: $check"
    await is_live
    say "$release is live"
}

main "$@"
