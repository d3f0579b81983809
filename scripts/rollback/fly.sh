#!/usr/bin/env bash
# Puts an app on Fly.io back to an image that was good, for `dm-rollback … -- scripts/rollback/fly.sh`.
#
#   fly.sh             deploy $DM_ROLLBACK_RELEASE again, for Fly has no command to roll back
#   fly.sh current     print the image that is live, to be kept as DM_RELEASE
#
# $FLY_APP names the app. Its database is not touched.
set -euo pipefail

fail() { printf 'fly.sh: %s\n' "$*" >&2; exit 1; }

app=${FLY_APP:-}
[[ $app =~ ^[a-z0-9][a-z0-9-]*$ ]] || fail "set FLY_APP to the name of the app"

# The images of releases that were completed, the last one first. A description may have any number of words.
images() { fly releases --app "$app" --image | awk '$1 ~ /^v[0-9]+$/ && $2 == "complete" { print $NF }'; }

current() {
    local image
    image=$(images | sed -n 1p)
    [ -n "$image" ] || fail "no release of $app is complete"
    printf '%s\n' "$image"
}

rollback() {
    local image=${DM_ROLLBACK_RELEASE:-${DM_ROLLBACK_TARGET:-}}
    [[ $image =~ ^[a-z0-9][A-Za-z0-9./_-]*[:@][A-Za-z0-9:._-]+$ ]] ||
        fail "'$image' is not an image: keep versions with DM_RELEASE=\$(fly.sh current), or give --target"
    images | grep --quiet --fixed-strings --line-regexp -- "$image" ||
        fail "$image is not an image of one of the last releases of $app"
    if [ "$(current)" = "$image" ]; then
        printf '%s is live already\n' "$image"
        return
    fi
    fly deploy --app "$app" --image "$image" --yes
    [ "$(current)" = "$image" ] || fail "$image was deployed, and is not live: look at fly releases --app $app"
}

case ${1:-rollback} in
    rollback | current) "${1:-rollback}" ;;
    *) fail "unknown verb '$1': see the head of this file" ;;
esac
