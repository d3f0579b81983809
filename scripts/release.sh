#!/usr/bin/env bash
# Builds everything of a release that this machine can build: archives, packages, the installer, recipes and checksums.
#
#   release.sh VERSION --out FOLDER [--target TARGET]…
#
# VERSION is that of Cargo.toml. Without --target, every target whose standard library is installed (`rustup target add`) is
# built. Zig links them, against glibc 2.17 or with musl, so one machine builds for all; cargo-zigbuild and Zig come from PyPI
# if cargo-zigbuild is not on PATH. The tools need Linux: other systems cannot adopt the descendants of a command.
#
# Two builds of a commit with one version of Rust give the same bytes, in whatever folder they are made.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { printf 'release.sh: %s\n' "$*" >&2; exit 1; }
say() { printf '== %s\n' "$*" >&2; }

all=(x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu x86_64-unknown-linux-musl aarch64-unknown-linux-musl)
tools=(dm-stage dm-health dm-smoke dm-migrate dm-rollback)
version='' out='' targets=()
while [ $# -gt 0 ]; do
    case $1 in
        --out) out=${2:?release.sh: --out needs a folder}; shift ;;
        --target) targets+=("${2:?release.sh: --target needs a target}"); shift ;;
        -h | --help) sed -n '2,/^set -euo/{/^set -euo/d;s/^# \{0,1\}//;p}' "$0"; exit ;;
        -*) fail "unknown argument '$1': see --help" ;;
        *) version=${1#v} ;;
    esac
    shift
done
[ -n "$version" ] || fail "which version? See --help"
[ -n "$out" ] || fail "needs --out FOLDER: see --help"
current=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
[ "$version" = "$current" ] || fail "Cargo.toml says version $current"
[ "$(grep -c "version = \"=$version\" }" Cargo.toml)" = 11 ] || fail "the crates depend on another version of each other: see Cargo.toml"

# What is installed here: nothing can be downloaded for another system.
libraries=$(rustc --print sysroot)/lib/rustlib
if [ ${#targets[@]} = 0 ]; then
    for target in "${all[@]}"; do
        if [ -d "$libraries/$target/lib" ]; then targets+=("$target"); else say "$target is left out: rustup target add $target"; fi
    done
fi
[ ${#targets[@]} -gt 0 ] || fail "no target can be built here"

# The same bytes, whenever and wherever.
export LC_ALL=C TZ=UTC CARGO_INCREMENTAL=0
umask 022
if commit=$(git rev-parse HEAD 2> /dev/null); then
    SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
    [ -z "$(git status --porcelain)" ] || { say "there are uncommitted changes: the programs name no commit"; commit=''; }
fi
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:?release.sh: without git, set it to the time of the commit} DM_BUILD_COMMIT=$commit
build=$PWD/target
[ -z "${CARGO_TARGET_DIR:-}" ] || { mkdir -p "$CARGO_TARGET_DIR"; build=$(cd "$CARGO_TARGET_DIR" && pwd); }
home=${CARGO_HOME:-$HOME/.cargo}
[[ $PWD$build$home != *[[:space:]]* ]] || fail "a path with spaces cannot be removed from the programs"
# No path of this machine gets into the programs, whether from Rust or from C.
RUSTFLAGS="--remap-path-prefix=$PWD=/dm --remap-path-prefix=$home=/cargo --remap-path-prefix=$build=/target"
CFLAGS=${RUSTFLAGS//--remap-path-prefix/-ffile-prefix-map}
export CARGO_TARGET_DIR=$build RUSTFLAGS CFLAGS

install_zig() {
    local venv=$build/release-tools
    [ -x "$venv/bin/cargo-zigbuild" ] || { python3 -m venv "$venv" &&
        "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --no-deps \
            -r scripts/requirements/release.txt; } || fail "cannot install cargo-zigbuild and Zig: is PyPI reachable?"
    PATH=$venv/bin:$PATH
}

build_for() {
    local target=$1 packages=("${tools[@]/#/--package=}")
    case $target in
        *-gnu) cargo zigbuild --release --locked --target "$target.2.17" "${packages[@]}" ;;
        *-musl) cargo zigbuild --release --locked --target "$target" "${packages[@]}" ;;
    esac
}

# A program that would not run on the systems that it is for, or that names a folder of this machine, is not released.
check_program() {
    local program=$1 target=$2 newest
    for path in "$PWD" "$home" "$build"; do
        ! grep -aqF -- "$path" "$program" || fail "$program contains the path $path"
    done
    command -v objdump readelf > /dev/null || { say "$program is not checked: binutils are not installed"; return; }
    case $target in
        *-gnu)
            newest=$(objdump -T "$program" | grep -oE 'GLIBC_[0-9.]+' | sort -uV | tail -n 1)
            [ "$(printf '%s\n' "$newest" GLIBC_2.17 | sort -V | tail -n 1)" = GLIBC_2.17 ] || fail "$program needs $newest"
            ;;
        *-musl) ! readelf -l "$program" | grep -q INTERP || fail "$program is not static" ;;
    esac
}

command -v cargo-zigbuild > /dev/null || install_zig
rm -rf "$out"
mkdir -p "$out"
for target in "${targets[@]}"; do
    say "$target"
    started=$SECONDS
    build_for "$target"
    for tool in "${tools[@]}"; do check_program "$build/$target/release/$tool" "$target"; done
    say "$target built in $((SECONDS - started)) s"
    scripts/package.sh "$version" "$target" "$build/$target/release" "$out"
done
scripts/recipes.sh "$version" "$out"
sums=$(cd "$out" && sha256sum -- *)
printf "%s\n" "$sums" > "$out/SHA256SUMS"
say "built in $((SECONDS / 60)) minutes: $out"
