# shellcheck shell=bash
# The start of every fake: it records its arguments, and knows what has happened in this world so far.
cd "${0%/bin/*}" || exit
printf '%s %s\n' "${0##*/}" "$*" >> calls
scenario=$(cat scenario)
if [ "$scenario" = denied ]; then
    echo 'Error: access denied' >&2
    exit 1
fi
[ "$scenario" != hangs ] || exec sleep infinity

is() { [ "$scenario" = "$1" ]; }
rolled() { [ -e rolled ]; }
# What a changing call does: it fails, or changes the world.
change() {
    if is breaks; then
        echo 'Error: the server closed the connection' >&2
        exit 1
    fi
    touch rolled
}
unexpected() { echo "unexpected: ${0##*/} $*" >&2; exit 64; }
