#!/usr/bin/env bash
# Builds the tools and installs them, with their man pages and completions:
#
#   install.sh                       all five, below ~/.local
#   install.sh --prefix /usr/local   below another folder
#   install.sh --from target/debug   as they are in a folder: nothing is compiled
#   install.sh dm-stage dm-health    only these
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
all=(dm-stage dm-health dm-smoke dm-migrate dm-rollback)

fail() { printf 'install.sh: %s\n' "$*" >&2; exit 2; }
usage() { sed -n '2,/^set -euo/{/^set -euo/d;s/^# \{0,1\}//;p}' "$0"; }

prefix=${HOME:-}/.local
from=''
tools=()
while [ $# -gt 0 ]; do
    case $1 in
        --prefix) [ -n "${2:-}" ] || fail "--prefix needs a folder"; prefix=$2; shift 2 ;;
        --from) [ -n "${2:-}" ] || fail "--from needs a folder"; from=$2; shift 2 ;;
        --help | -h) usage; exit 0 ;;
        dm-stage | dm-health | dm-smoke | dm-migrate | dm-rollback) tools+=("$1"); shift ;;
        *) fail "unknown argument '$1': the tools are ${all[*]}" ;;
    esac
done
prefix=${prefix%/}
[ ${#tools[@]} -gt 0 ] || tools=("${all[@]}")

if [ -z "$from" ]; then
    command -v cargo > /dev/null || fail "needs Rust: https://rustup.rs"
    # From here, and not with the toolchain or the settings of the folder that it is called from.
    target=$(realpath -m "${CARGO_TARGET_DIR:-$here/target}")
    (cd "$here" && cargo build --release --locked --target-dir "$target" "${tools[@]/#/--package=}")
    from=$target/release
fi
# All or nothing: none is installed where one is missing.
for tool in "${tools[@]}"; do
    [ -x "$from/$tool" ] || fail "there is no $tool in $from"
done
for tool in "${tools[@]}"; do
    install -D -m 755 "$from/$tool" "$prefix/bin/$tool"
    install -D -m 644 "$here/docs/man/$tool.1" "$prefix/share/man/man1/$tool.1"
    install -D -m 644 "$here/docs/completions/$tool.bash" "$prefix/share/bash-completion/completions/$tool"
    install -D -m 644 "$here/docs/completions/_$tool" "$prefix/share/zsh/site-functions/_$tool"
    install -D -m 644 "$here/docs/completions/$tool.fish" "$prefix/share/fish/vendor_completions.d/$tool.fish"
done
printf 'installed in %s: %s\n' "$prefix/bin" "${tools[*]}"
[[ :$PATH: = *":$prefix/bin:"* ]] || printf 'install.sh: %s is not on PATH\n' "$prefix/bin" >&2
