#!/usr/bin/env bash
# For a deploy script that has to run where the tools are not installed too. Source it, and write
#
#   dm_stage build -- cargo build --release    for    dm-stage build -- cargo build --release
#   dm_migrate -- sqlx migrate run             for    dm-migrate -- sqlx migrate run
#
# With the tools they are the same. Without, there is one warning, and the command runs as it is: not recorded, and without
# what the flags before it ask for, such as a time limit.

dm_stage() { dm_or_plain dm-stage "$@"; }
dm_migrate() { dm_or_plain dm-migrate "$@"; }

dm_or_plain() {
    if command -v "$1" > /dev/null; then
        "$@"
        return
    fi
    [ -n "${dm_missing_told:-}" ] || printf '%s is not on PATH: the commands run without it\n' "$1" >&2
    dm_missing_told=yes
    while [ $# -gt 0 ] && [ "$1" != -- ]; do shift; done
    # Without a command, as with --start, --finish or --skip, there is nothing to run.
    [ $# -gt 0 ] || return 0
    shift
    "$@"
}
