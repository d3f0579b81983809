#!/usr/bin/env bash
# Puts an app on Heroku back to a release that was good, for `dm-rollback … -- scripts/rollback/heroku.sh`.
#
#   heroku.sh             back to $DM_ROLLBACK_RELEASE: its code and its configuration, not its add-ons
#   heroku.sh current     print the release that is live, such as v42, to be kept as DM_RELEASE
#
# $HEROKU_APP names the app. Without a release `heroku rollback` takes the one before, even where that one was bad.
set -euo pipefail

fail() { printf 'heroku.sh: %s\n' "$*" >&2; exit 1; }

app=${HEROKU_APP:-}
[[ $app =~ ^[a-z][a-z0-9-]*$ ]] || fail "set HEROKU_APP to the name of the app"

# What a release is: as JSON, for without that the CLI prints the configuration, secrets and all.
info() { heroku releases:info "$@" --app "$app" --json; }
field() { sed -n "s/^ *\"$1\": *\"\{0,1\}\([^\",]*\).*/\1/p"; }

current() {
    local version
    version=$(info | field version)
    [[ $version =~ ^[0-9]+$ ]] || fail "$app has no release"
    printf 'v%s\n' "$version"
}

rollback() {
    local release=${DM_ROLLBACK_RELEASE:-${DM_ROLLBACK_TARGET:-}} status
    [[ $release =~ ^v[1-9][0-9]*$ ]] ||
        fail "'$release' is not a release: keep versions with DM_RELEASE=\$(heroku.sh current), or give --target"
    status=$(info "$release" | field status)
    [ "$status" = succeeded ] || fail "release $release of $app is '$status', not succeeded"
    if [ "$(current)" = "$release" ]; then
        printf '%s is live already\n' "$release"
        return
    fi
    heroku releases:rollback "$release" --app "$app"
    status=$(info | field status)
    [ "$status" != failed ] || fail "the release that goes back to $release failed: look at heroku releases --app $app"
}

case ${1:-rollback} in
    rollback | current) "${1:-rollback}" ;;
    *) fail "unknown verb '$1': see the head of this file" ;;
esac
