#!/usr/bin/env bash
# Builds the tools and installs them with their man pages and shell completions:
#
#   install.sh                       install all five tools in ~/.local
#   install.sh --prefix /usr/local   install them in another folder
#   install.sh --from target/debug   install the programs from a folder, without compiling them
#   install.sh dm-stage dm-health    install only these tools
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
    command -v cargo > /dev/null || fail "needs Rust: install it from https://rustup.rs"
    # Build in the repository, so that the toolchain and the cargo settings of the current folder do not apply.
    target=$(realpath -m "${CARGO_TARGET_DIR:-$here/target}")
    (cd "$here" && cargo build --release --locked --target-dir "$target" "${tools[@]/#/--package=}")
    from=$target/release
fi
# All or nothing: if one program is missing, install none.
for tool in "${tools[@]}"; do
    [ -x "$from/$tool" ] || fail "there is no program $tool in $from"
done
for tool in "${tools[@]}"; do
    install -D -m 755 "$from/$tool" "$prefix/bin/$tool"
    install -D -m 644 "$here/docs/man/$tool.1" "$prefix/share/man/man1/$tool.1"
    install -D -m 644 "$here/docs/completions/$tool.bash" "$prefix/share/bash-completion/completions/$tool"
    install -D -m 644 "$here/docs/completions/_$tool" "$prefix/share/zsh/site-functions/_$tool"
    install -D -m 644 "$here/docs/completions/$tool.fish" "$prefix/share/fish/vendor_completions.d/$tool.fish"
done
printf 'installed in %s: %s\n' "$prefix/bin" "${tools[*]}"
[[ :$PATH: = *":$prefix/bin:"* ]] || printf 'install.sh: %s is not on PATH; add it to use the tools\n' "$prefix/bin" >&2
