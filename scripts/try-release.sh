#!/usr/bin/env bash
# Tries what scripts/release.sh has built, in an empty Debian 11: the tools of the archive do their main job there, the .deb is
# installed, upgraded and removed, and the installer rejects an archive that was changed. Needs root and debootstrap.
#
#   try-release.sh VERSION OUT [ROOT]
#
# ROOT is a Debian 11 that is there already; by default a new one is made, which takes a minute.
set -euo pipefail
cd "$(dirname "$0")/.."

version=${1:?try-release.sh: which version?} out=$(realpath "${2:?try-release.sh: which folder?}")
fail() { printf 'try-release.sh: %s\n' "$*" >&2; exit 1; }
say() { printf '== %s\n' "$*" >&2; }

cpu=$(uname -m)
architecture=$(dpkg --print-architecture)
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
root=${3:-}
if [ -z "$root" ]; then
    root=$work/root
    debootstrap --variant=minbase bullseye "$root" http://deb.debian.org/debian > "$work/debootstrap.log" 2>&1 ||
        fail "debootstrap failed: $(tail -n 1 "$work/debootstrap.log")"
fi
path=/usr/sbin:/usr/bin:/sbin:/bin
# Without the variables of this machine. The tools read /proc, so it is mounted, for this process and its children only.
inside() {
    # shellcheck disable=SC2016 # the inner shell expands them
    unshare --mount --pid --fork bash -c 'mount -t proc proc "$1/proc" && shift && exec "$@"' bash "$root" \
        chroot "$root" /usr/bin/env -i PATH="$path" DM_STATE_DIR=/tmp/dm-state LC_ALL=C "$@"
}

# Lists the files of the root, without those that every installation writes.
files() { (cd "$root" && find . -xdev \( -path ./tmp -o -path ./var -o -path ./proc \) -prune -o -print | sort); }

# What each tool is for, in its smallest form.
try_tools() {
    local tool
    rm -rf "$root/tmp/dm-state"
    for tool in dm-stage dm-health dm-smoke dm-migrate dm-rollback; do
        inside "$tool" --version | grep -q "^$tool $version (.*$cpu-unknown-linux-" || fail "$tool --version"
    done
    [ "$(inside dm-stage build -- echo hello 2> "$work/log")" = hello ] || fail "dm-stage: $(cat "$work/log")"
    inside dm-health --url exec:true --max-fail 1 > "$work/log" 2>&1 || fail "dm-health: $(cat "$work/log")"
    printf '[[test]]\nname = "it is Debian 11"\ncommand = ["cat", "/etc/debian_version"]\nexpect = { exit = 0, stdout_contains = "11." }\n' \
        > "$root/tmp/smoke.toml"
    inside dm-smoke /tmp/smoke.toml > "$work/log" 2>&1 || fail "dm-smoke: $(cat "$work/log")"
    inside dm-migrate -- true > "$work/log" 2>&1 || fail "dm-migrate: $(cat "$work/log")"
    inside dm-rollback --mark-good --app-version 1 > "$work/log" 2>&1 || fail "dm-rollback: $(cat "$work/log")"
    inside dm-stage --timeline > "$work/log" 2>&1 || fail "dm-stage --timeline: $(cat "$work/log")"
}

for target in "$cpu-unknown-linux-gnu" "$cpu-unknown-linux-musl"; do
    name=dm-tools-$version-$target
    [ -f "$out/$name.tar.gz" ] || continue
    say "$name.tar.gz in Debian $(cat "$root/etc/debian_version"), $(inside ldd --version | head -n 1 | sed 's/.*) //')"
    tar -xzf "$out/$name.tar.gz" -C "$root/opt"
    path=/opt/$name/bin:/usr/bin:/bin
    try_tools
    rm -rf "${root:?}/opt/$name"
done

deb=dm-tools_${version}_$architecture.deb
path=/usr/sbin:/usr/bin:/sbin:/bin
if [ -f "$out/$deb" ]; then
    say "$deb: installed, upgraded, removed"
    # The release before this one: the same package with an older version.
    dpkg-deb -R "$out/$deb" "$work/older"
    sed -i 's/^Version: .*/Version: 0.0.1/' "$work/older/DEBIAN/control"
    mkdir "$work/older/usr/share/dm-tools/gone"
    touch "$work/older/usr/share/dm-tools/gone/file"
    dpkg-deb --root-owner-group --build "$work/older" "$root/tmp/older.deb" > "$work/log"
    cp "$out/$deb" "$root/tmp/newer.deb"
    files > "$work/before"
    inside dpkg -i /tmp/older.deb > "$work/log" 2>&1 || fail "installing: $(cat "$work/log")"
    inside dpkg -i /tmp/newer.deb > "$work/log" 2>&1 || fail "upgrading: $(cat "$work/log")"
    [ ! -e "$root/usr/share/dm-tools/gone" ] || fail "the upgrade leaves files of the older version"
    inside dpkg --verify dm-tools || fail "files are not those of the package"
    try_tools
    inside dpkg -r dm-tools > "$work/log" 2>&1 || fail "removing: $(cat "$work/log")"
    files > "$work/after"
    diff "$work/before" "$work/after" > "$work/log" || fail "what remains after the removal: $(cat "$work/log")"
fi

rpm=dm-tools-$version-1.$cpu.rpm
if [ -f "$out/$rpm" ] && command -v rpm > /dev/null; then
    say "$rpm: installed, removed"
    mkdir "$work/rpmdb"
    files > "$work/before"
    # Debian's libc is no package of rpm's; and Debian's rpm says that it is not for this.
    rpm --dbpath "$work/rpmdb" --root "$root" --nodeps -i "$out/$rpm" 2> "$work/log" || fail "installing: $(cat "$work/log")"
    try_tools
    rpm --dbpath "$work/rpmdb" --root "$root" --nodeps -e dm-tools 2> "$work/log" || fail "removing: $(cat "$work/log")"
    files > "$work/after"
    diff "$work/before" "$work/after" > "$work/log" || fail "what remains after the removal: $(cat "$work/log")"
fi
say "everything runs"
