#!/usr/bin/env bash
# Rolls an app on Heroku back to a known-good release, for `dm-rollback … -- scripts/rollback/heroku.sh`.
#
#   heroku.sh             roll back to $DM_ROLLBACK_RELEASE: its code and its configuration, but not its add-ons
#   heroku.sh current     print the live release, such as v42; record it as DM_RELEASE
#
# $HEROKU_APP is the name of the app. Without a release, `heroku rollback` restores the previous one, even if that one was
# bad.
set -euo pipefail

fail() { printf 'heroku.sh: %s\n' "$*" >&2; exit 1; }

app=${HEROKU_APP:-}
[[ $app =~ ^[a-z][a-z0-9-]*$ ]] || fail "set HEROKU_APP to the name of the app"

# Prints the data of a release as JSON. Without --json, the CLI would also print the configuration with its secrets.
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
        fail "'$release' is not a release: record versions with DM_RELEASE=\$(heroku.sh current), or use --target"
    status=$(info "$release" | field status)
    [ "$status" = succeeded ] || fail "release $release of $app is '$status', not succeeded"
    if [ "$(current)" = "$release" ]; then
        printf '%s is already live\n' "$release"
        return
    fi
    heroku releases:rollback "$release" --app "$app"
    status=$(info | field status)
    [ "$status" != failed ] || fail "the rollback to $release failed: check with heroku releases --app $app"
}

case ${1:-rollback} in
    rollback | current) "${1:-rollback}" ;;
    *) fail "unknown command '$1': see the head of this file" ;;
esac
