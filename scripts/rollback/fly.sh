#!/usr/bin/env bash
# Rolls an app on Fly.io back to a known-good image, for `dm-rollback … -- scripts/rollback/fly.sh`.
#
#   fly.sh             deploy $DM_ROLLBACK_RELEASE again, because Fly has no rollback command
#   fly.sh current     print the live image; record it as DM_RELEASE
#
# $FLY_APP is the name of the app. The script does not change its database.
set -euo pipefail

fail() { printf 'fly.sh: %s\n' "$*" >&2; exit 1; }

app=${FLY_APP:-}
[[ $app =~ ^[a-z0-9][a-z0-9-]*$ ]] || fail "set FLY_APP to the name of the app"

# The images of all complete releases, the latest first. The image is the last field, because a description can have any
# number of words.
images() { fly releases --app "$app" --image | awk '$1 ~ /^v[0-9]+$/ && $2 == "complete" { print $NF }'; }

current() {
    local image
    image=$(images | sed -n 1p)
    [ -n "$image" ] || fail "$app has no complete release"
    printf '%s\n' "$image"
}

rollback() {
    local image=${DM_ROLLBACK_RELEASE:-${DM_ROLLBACK_TARGET:-}}
    [[ $image =~ ^[a-z0-9][A-Za-z0-9./_-]*[:@][A-Za-z0-9:._-]+$ ]] ||
        fail "'$image' is not an image: record versions with DM_RELEASE=\$(fly.sh current), or use --target"
    images | grep --quiet --fixed-strings --line-regexp -- "$image" ||
        fail "$image is not an image of a recent release of $app"
    if [ "$(current)" = "$image" ]; then
        printf '%s is already live\n' "$image"
        return
    fi
    fly deploy --app "$app" --image "$image" --yes
    [ "$(current)" = "$image" ] || fail "$image was deployed but is not live: check with fly releases --app $app"
}

case ${1:-rollback} in
    rollback | current) "${1:-rollback}" ;;
    *) fail "unknown command '$1': see the head of this file" ;;
esac
