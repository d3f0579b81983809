# shellcheck shell=bash
# What the scripts in this folder share. Each of them reads this file, so copy it along with the script that you use.
#
#   SCRIPT             restore $DM_ROLLBACK_RELEASE, wait until it is live, and check that it is
#   SCRIPT current     print the live release in one line; record it as DM_RELEASE
#
#   exit code 0        done, and the release is live
#   exit code 1        not done, or not known; stderr says what to do
#   exit code 2        a wrong argument, a wrong or missing setting, or a missing program; nothing was called
#
# docs/observability/platforms.md has the whole contract.
set -euo pipefail
script=${0##*/}
((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 404)) || { printf '%s: needs bash 4.4 or newer\n' "$script" >&2; exit 2; }
shopt -s inherit_errexit

release='' # what is to be restored
limit=0    # the time limit in seconds
interval=0 # the time between two queries in seconds
state=''   # what was seen last
check=''   # how a person can look at the platform

# Control characters in a text from outside could change the terminal or the log.
printable() {
    local text=${1:0:1000}
    printf '%s' "${text//[[:cntrl:]]/ }"
}
say() { printf '%s\n' "$(printable "$*")"; }
fail() { printf '%s: %s\n' "$script" "$(printable "$*")" >&2; exit 1; }
misused() { printf '%s: %s\n' "$script" "$(printable "$*")" >&2; exit 2; }

# Whether a text matches an extended regular expression from its start to its end. No newline gets through.
matches() {
    local LC_ALL=C
    [[ $1 =~ ^($2)$ ]]
}

# Checks a setting, and gives it a default: `setting NAME PATTERN DESCRIPTION [DEFAULT]`.
setting() {
    local -n setting_value=$1
    setting_value=${setting_value:-${4:-}}
    matches "$setting_value" "$2" || misused "$1 is '$setting_value': set it to $3"
}

# Checks a secret, and never shows it: `secret NAME DESCRIPTION`.
secret() {
    matches "${!1:-}" '[A-Za-z0-9][A-Za-z0-9._-]*' || misused "set $1 to $2: it is not set, or has a character that none has"
}

# Reads $PREFIX_TIMEOUT and $PREFIX_INTERVAL: `limits PREFIX`.
limits() {
    setting "$1_TIMEOUT" '[1-9][0-9]{0,4}s?' 'a time limit in seconds, such as 150' 150
    setting "$1_INTERVAL" '[0-9]{1,3}(\.[0-9]{1,3})?' 'the seconds between two queries, such as 3' 3
    local timeout=$1_TIMEOUT pause=$1_INTERVAL
    limit=${!timeout%s} interval=${!pause}
}

needs() {
    local program
    for program in "$@" timeout head; do
        command -v "$program" > /dev/null || misused "$program is not on PATH: install it"
    done
}

# Reads the release to restore: `to_restore PATTERN DESCRIPTION [or_target]`. With `or_target`, version names are
# releases.
to_restore() {
    release=${DM_ROLLBACK_RELEASE:-}
    [ "${3:-}" != or_target ] || release=${release:-${DM_ROLLBACK_TARGET:-}}
    [ -n "$release" ] || misused "DM_ROLLBACK_RELEASE is not set: record releases with DM_RELEASE=\$($script current) when a version is deployed"
    matches "$release" "$1" || misused "the release '$release' is not $2, as '$script current' prints it"
}

left() { printf '%s' $((limit > SECONDS ? limit - SECONDS : 1)); }

# Runs a command of the platform without stdin, because nobody can answer. The command has its own time limit where
# there is one, so this one is up to ten seconds longer.
bounded() { timeout --foreground --kill-after=5 $(($(left) + (limit < 10 ? limit : 10))) "$@" < /dev/null; }

# Prints the response of the platform, up to 16 MiB.
query() { bounded "$@" | head --bytes=16777216; }

# Sends a request to an API and prints the response: `request METHOD URL HEADER [JSON]`. curl reads the header from
# stdin, because it has the token, and other users can read arguments.
request() {
    printf 'header = "%s"\n' "$3" | timeout --foreground --kill-after=5 25 curl --silent --show-error --fail-with-body \
        --max-time "$(($(left) < 20 ? $(left) : 20))" --request "$1" --config - --header 'Content-Type: application/json' \
        ${4:+--data-binary "$4"} -- "$2" | head --bytes=16777216
}

# Prints the error message in a response.
message() { jq --raw-output '.message? // .error.message? // ""' <<< "$1" 2> /dev/null || true; }

# Waits until FUNCTION succeeds. It sets $state, and calls `fail` if it is no use to wait.
await() {
    until "$@"; do
        ((SECONDS < limit)) || fail "$release is not live after $limit s: ${state:-nothing was seen}. Look with: $check"
        sleep "$interval"
    done
}

# Ends if the release is live already.
unless_live() {
    if "$@"; then
        say "$release is already live"
        exit 0
    fi
}

# Runs the script's function `live`, which prints the live release or fails, or `restore`.
main() {
    [ $# -le 1 ] || misused "there is one argument, 'current', or none: see the head of the script"
    case ${1:-} in
        '') restore ;;
        current)
            release=$(live) || exit
            matches "$release" '[[:graph:]]+' || fail "the live release is not known: the platform says '$release'"
            printf '%s\n' "$release"
            ;;
        *) misused "unknown argument '$1': there is only 'current'; the head of the script describes the settings" ;;
    esac
}
