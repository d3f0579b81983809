#!/usr/bin/env bash
# Unpacks the newest PostgreSQL of Debian (forky) into the folder FOLDER/newest-postgresql, whatever this machine's release is:
# with the libc and the libraries that it needs, which its programs then use instead of those of the machine.
# scripts/test.sh and scripts/trials.sh call it.
#
#   scripts/newest-postgresql.sh FOLDER
set -euo pipefail

fail() { printf 'newest-postgresql.sh: %s\n' "$*" >&2; exit 1; }

major=18
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ $# = 1 ] || fail "needs the folder of the servers: scripts/newest-postgresql.sh target/test-servers"
folder=$(mkdir -p "$1" && cd "$1" && pwd -P)/newest-postgresql
[ "$(cat "$folder/packages" 2> /dev/null)" != "postgresql-$major" ] || exit 0
command -v apt-get > /dev/null || fail "needs apt-get to download postgresql-$major from Debian forky"
[ -e "$keyring" ] || fail "needs $keyring: apt-get install debian-archive-keyring"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/root"
printf 'deb [signed-by=%s] http://deb.debian.org/debian forky main\n' "$keyring" > "$work/sources.list"
# As for a machine on which nothing is installed: the libraries of this one are of another release.
: > "$work/status"
apt() {
    apt-get -qq -o Dir::State="$work" -o Dir::State::status="$work/status" -o Dir::Cache="$work/cache" \
        -o APT::Sandbox::User="$(id -un)" -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::sourcelist="$work/sources.list" "$@"
}
apt update || fail "apt-get update failed: is Debian's mirror reachable?"
apt -s --no-install-recommends install "postgresql-$major" patchelf > "$work/plan" ||
    fail "apt-get cannot install postgresql-$major: $(tail -n 3 "$work/plan")"
mapfile -t packages < <(awk -v major="$major" '$1 == "Inst" && $2 !~ /perl|systemd/ &&
    ($2 ~ /^(lib|zlib)/ || $2 ~ "^postgresql(-client)?-" major "$" || $2 == "patchelf") { print $2 }' "$work/plan")
(cd "$work" && apt download "${packages[@]}") || fail "apt-get could not download ${packages[*]}"
for package in "$work"/*.deb; do
    dpkg-deb -x "$package" "$work/root" || fail "cannot unpack $package: is the disk full?"
done
rm -rf "$folder"
mkdir -p "$(dirname "$folder")"
mv "$work/root" "$folder"

# Each program names its loader and its libraries by their paths.
libraries=$(dirname "$(find "$folder/usr/lib" -name 'libc.so.6' | head -n 1)")
loader=$(find "$libraries" "$folder/usr/lib64" -name 'ld-linux*' 2> /dev/null | head -n 1)
[ -n "$loader" ] || fail "libc6 has no loader in $libraries"
for program in "$folder/usr/lib/postgresql/$major/bin"/*; do
    # Some are scripts.
    [ "$(head -c 4 "$program" | tail -c 3)" = ELF ] || continue
    "$loader" --library-path "$libraries" "$folder/usr/bin/patchelf" --set-interpreter "$loader" --force-rpath \
        --set-rpath "$libraries" "$program" || fail "cannot set the loader of $program"
done
printf 'postgresql-%s\n' "$major" > "$folder/packages"
