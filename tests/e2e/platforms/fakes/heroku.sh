#!/bin/bash
# The commands: heroku/cli packages/cli/src/commands/releases/{index,info,rollback}.ts. The fields and statuses: "Release" in
# Heroku's Platform API Reference (status: expired, failed, pending, succeeded; current). A release whose release phase
# failed is not deployed: Heroku Dev Center, "Release Phase".
. "${0%/*}/fake.sh"
release() { printf '{"id":"r%s","version":%s,"status":"%s","current":%s,"description":"%s"}' "$1" "$1" "$2" "$3" "$4"; }
case $* in
    'releases --app shop --num 50 --json')
        if rolled; then
            case $scenario in
                stuck) printf '[%s,%s]\n' "$(release 43 pending false 'Rollback to v40')" "$(release 42 succeeded true 'Deploy 2')" ;;
                phase) printf '[%s,%s]\n' "$(release 43 failed false 'Rollback to v40')" "$(release 42 succeeded true 'Deploy 2')" ;;
                wrong) printf '[%s,%s]\n' "$(release 44 succeeded true 'Deploy 3')" "$(release 43 succeeded false 'Rollback to v40')" ;;
                *) printf '[%s,%s]\n' "$(release 43 succeeded true 'Rollback to v40')" "$(release 42 succeeded false 'Deploy 2')" ;;
            esac
        else
            case $scenario in
                live) printf '[%s]\n' "$(release 40 succeeded true 'Deploy 1')" ;;
                failed) printf '[%s,%s]\n' "$(release 42 failed false 'Deploy 2')" "$(release 40 succeeded true 'Deploy 1')" ;;
                pending) printf '[%s,%s]\n' "$(release 42 pending false 'Deploy 2')" "$(release 40 succeeded true 'Deploy 1')" ;;
                *) printf '[%s,%s]\n' "$(release 42 succeeded true 'Deploy 2')" "$(release 40 succeeded false 'Deploy 1')" ;;
            esac
        fi ;;
    'releases:info v40 --app shop --json')
        if is gone; then
            echo ' ›   Error: Couldn'"'"'t find that release.' >&2
            exit 1
        fi
        release 40 succeeded false 'Deploy 1' ;;
    'releases:info v41 --app shop --json') release 41 failed false 'Deploy' ;;
    'releases:rollback v40 --app shop') change ;;
    *) unexpected "$@" ;;
esac
