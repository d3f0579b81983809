#!/usr/bin/env bash
# For a deploy script that must also work on machines without the dm tools. Source this file, and write
#
#   dm_stage build -- cargo build --release    for    dm-stage build -- cargo build --release
#   dm_migrate -- sqlx migrate run             for    dm-migrate -- sqlx migrate run
#
# If the tools are installed, both forms do the same. If not, each shell prints one warning, and the command runs directly:
# nothing is recorded, and the flags before the command, such as a time limit, have no effect. Only --skip REASON still
# skips the command.

dm_stage() { dm_or_direct dm-stage "$@"; }
dm_migrate() { dm_or_direct dm-migrate "$@"; }

dm_or_direct() {
    if command -v "$1" > /dev/null; then
        "$@"
        return
    fi
    local tool=$1 skip=''
    [ -n "${dm_missing_warned:-}" ] || printf '%s is not on PATH: commands run without it\n' "$tool" >&2
    dm_missing_warned=yes
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        case $1 in
            --start | --finish | --flush | --timeline | --history | --follow) return 0 ;;
            --skip) skip=${2:-} ;;
            --skip=*) skip=${1#--skip=} ;;
        esac
        shift
    done
    [ -z "$skip" ] || return 0
    if [ $# -lt 2 ]; then
        printf '%s: no command given: write it after --\n' "$tool" >&2
        return 125
    fi
    shift
    "$@"
}
