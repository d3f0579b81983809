#!/usr/bin/env bash
# For a deploy script that has to run where the tools are not installed too. Source it, and write
#
#   dm_stage build -- cargo build --release    for    dm-stage build -- cargo build --release
#   dm_migrate -- sqlx migrate run             for    dm-migrate -- sqlx migrate run
#
# With the tools they are the same. Without, each shell says so once, and the command runs as it is: not recorded, and without
# what the flags before it ask for, such as a time limit. --skip REASON skips it all the same.

dm_stage() { dm_or_plain dm-stage "$@"; }
dm_migrate() { dm_or_plain dm-migrate "$@"; }

dm_or_plain() {
    if command -v "$1" > /dev/null; then
        "$@"
        return
    fi
    local tool=$1 skip=''
    [ -n "${dm_missing_told:-}" ] || printf '%s is not on PATH: the commands run without it\n' "$tool" >&2
    dm_missing_told=yes
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        case $1 in
            --start | --finish | --flush | --timeline) return 0 ;;
            --skip) skip=${2:-} ;;
            --skip=*) skip=${1#--skip=} ;;
        esac
        shift
    done
    [ -z "$skip" ] || return 0
    if [ $# -lt 2 ]; then
        printf '%s: there is no command: write it after --\n' "$tool" >&2
        return 125
    fi
    shift
    "$@"
}
