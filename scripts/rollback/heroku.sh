#!/usr/bin/env bash
# Rolls an app on Heroku back to a known-good release, for `dm-rollback … -- scripts/rollback/heroku.sh`.
#
#   heroku.sh             roll back to $DM_ROLLBACK_RELEASE and wait until its release phase has succeeded
#   heroku.sh current     print the live release, such as v42
#
# HEROKU_APP is the name of the app, HEROKU_TIMEOUT the time limit in seconds (150). A rollback restores the code and
# the configuration, but no add-ons, and the release phase runs once more, with the restored code.
#
# Exit codes: 0 it is live, 1 it is not or nobody knows, 2 wrong use. More: docs/observability/platforms.md
. "$(dirname "$0")/common.sh" || exit 2

needs heroku jq
setting HEROKU_APP '[a-z][a-z0-9-]*' 'the name of the app'
limits HEROKU
check="heroku releases --app $HEROKU_APP"

releases() { query heroku releases --app "$HEROKU_APP" --num 50 --json; }

# A failed release is never the current one: the dynos keep running the one before.
live() {
    local json
    json=$(releases) || fail "cannot read the releases of $HEROKU_APP: see above"
    jq --exit-status --raw-output '.[] | select(.current and .status == "succeeded") | "v\(.version)"' <<< "$json" ||
        fail "it is not known what is live: $HEROKU_APP has no release that succeeded and is current. Look with: $check"
}

# A rollback creates a new release, which Heroku describes as "Rollback to vN". A pending one may still replace what is
# live.
is_live() {
    local json
    json=$(releases) || { state='heroku releases failed'; return 1; }
    state="the newest release is $(jq --raw-output 'max_by(.version) | "v\(.version), \(.status): \(.description)"' <<< "$json")" &&
        jq --exit-status --arg target "$release" 'all(.[]; .status != "pending") and any(.[]; .current and .status == "succeeded" and
            ("v\(.version)" == $target or .description == "Rollback to \($target)"))' <<< "$json" > /dev/null
}

# Whether the release phase has ended well.
is_restored() {
    is_live && return
    case $state in
        *", failed: Rollback to $release" | *", expired: Rollback to $release")
            fail "the rollback to $release failed: $state. Look with: heroku releases:output --app $HEROKU_APP" ;;
    esac
    return 1
}

restore() {
    local status
    to_restore 'v[1-9][0-9]{0,8}' 'a release such as v42'
    # With --json, the CLI does not print the configuration with its secrets.
    status=$(query heroku releases:info "$release" --app "$HEROKU_APP" --json | jq --raw-output .status) ||
        fail "$HEROKU_APP has no release $release, or it cannot be read; nothing was changed: see above"
    [ "$status" = succeeded ] || fail "release $release of $HEROKU_APP is $status and was never good: choose another"
    unless_live is_live
    say "rolling $HEROKU_APP back to $release"
    bounded heroku releases:rollback "$release" --app "$HEROKU_APP" ||
        fail "heroku releases:rollback failed, and a new release may exist. Look with: $check"
    await is_restored
    say "$release is live: $state"
}

main "$@"
