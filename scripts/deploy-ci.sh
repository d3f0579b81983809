#!/usr/bin/env bash
# Runs deploy-all.sh in a workflow that others call, with the variables that the caller passes as one secret.
#
#   deploy-ci.sh CONFIG
#
# DM_CI_VARIABLES has one NAME=VALUE per line. A workflow that is called cannot know the names of its caller's secrets. Values
# of four and more characters are masked in the log; names that would change how programs are loaded or found are refused.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
config=${1:?deploy-ci.sh: which configuration?}
number=0
while IFS= read -r line; do
    number=$((number + 1))
    line=${line%$'\r'}
    [[ -n ${line//[[:space:]]/} ]] || continue
    name=${line%%=*} value=${line#*=}
    # The line is a secret: a message names only its number.
    if ! [[ $line == *=* && $name =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]]; then
        printf 'deploy-ci.sh: line %s of the variables is not NAME=VALUE\n' "$number" >&2
        exit 2
    fi
    case $name in
        PATH | LD_* | BASH_ENV | ENV | IFS | SHELLOPTS | GITHUB_* | RUNNER_*)
            printf 'deploy-ci.sh: line %s of the variables must not set %s\n' "$number" "$name" >&2
            exit 2
            ;;
    esac
    # `%` would begin an escape. A value such as `1` would blank the log, and is no secret.
    [ -z "${GITHUB_ACTIONS:-}" ] || [ ${#value} -lt 4 ] || printf '::add-mask::%s\n' "${value//%/%25}"
    export "$name=$value"
done <<< "${DM_CI_VARIABLES:-}"
unset DM_CI_VARIABLES
exec "$here/deploy-all.sh" --config "$config"
