#!/usr/bin/env bash
# Packs the programs of a folder as they are released: an archive and, for Linux with glibc, a .deb and an .rpm.
#
#   package.sh VERSION TARGET PROGRAMS OUT
#
# The same programs give the same bytes, if SOURCE_DATE_EPOCH is the same. The .rpm needs rpmbuild (apt-get install rpm).
set -euo pipefail
cd "$(dirname "$0")/.."

[ $# = 4 ] || { sed -n '2,/^set -euo/{/^set -euo/d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2; }
version=$1 target=$2 programs=$(realpath "$3") out=$(realpath "$4")
: "${SOURCE_DATE_EPOCH:?package.sh: set it to the time of the commit}"
export LC_ALL=C TZ=UTC
umask 022
repository=$(sed -n 's/^repository = "\(.*\)"/\1/p' Cargo.toml)
summary='Observable, reversible deployments from any shell script'
description='Small tools to put before the commands of a deploy script. They time and record
 every stage, check the new version while it takes traffic, and roll it back as soon
 as the data proves that it is bad.'
# Tilde: 1.0-rc.1 comes before 1.0.
package_version=${version//-/\~}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Copies files into a folder of the tree, with a mode.
put() {
    local mode=$1 folder=$2
    shift 2
    install -d "$folder"
    install -m "$mode" "$@" "$folder"
}

# Lays out everything below a prefix, as `install.sh` and `tar --strip-components=1` put it in place.
lay_out() {
    local tree=$1 tool
    for tool in dm-stage dm-health dm-smoke dm-migrate dm-rollback; do
        put 755 "$tree/bin" "$programs/$tool"
        put 644 "$tree/share/man/man1" "docs/man/$tool.1"
        put 644 "$tree/share/bash-completion/completions" "docs/completions/$tool.bash"
        mv "$tree/share/bash-completion/completions/$tool"{.bash,}
        put 644 "$tree/share/zsh/site-functions" "docs/completions/_$tool"
        put 644 "$tree/share/fish/vendor_completions.d" "docs/completions/$tool.fish"
    done
    put 644 "$tree/share/doc/dm-tools" LICENSE-MIT LICENSE-APACHE README.md CHANGELOG.md SECURITY.md
    put 644 "$tree/share/doc/dm-tools" "$work/THIRD-PARTY-LICENSES"
    put 755 "$tree/share/dm-tools/scripts" scripts/deploy-*.sh
    put 644 "$tree/share/dm-tools/scripts" scripts/metrics_utils.sh scripts/deploy.env.example
    put 755 "$tree/share/dm-tools/scripts/rollback" scripts/rollback/*.sh
    find "$tree" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
}

archive() {
    local name=dm-tools-$version-$target
    lay_out "$work/$name"
    tar -C "$work" --sort=name --format=ustar --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -cf - "$name" |
        gzip -9n > "$out/$name.tar.gz"
    printf '%s\n' "$name.tar.gz"
}

deb() {
    local architecture=$1 root=$work/deb
    lay_out "$root/usr"
    # Debian's places: compressed pages, a file of its own for the licences, zsh's completions elsewhere.
    gzip -9n "$root"/usr/share/man/man1/*.1 "$root/usr/share/doc/dm-tools/CHANGELOG.md"
    mv "$root/usr/share/doc/dm-tools/CHANGELOG.md.gz" "$root/usr/share/doc/dm-tools/changelog.gz"
    cat "$root"/usr/share/doc/dm-tools/LICENSE-* > "$root/usr/share/doc/dm-tools/copyright"
    rm "$root"/usr/share/doc/dm-tools/LICENSE-*
    mv "$root/usr/share/zsh/site-functions" "$root/usr/share/zsh/vendor-completions"
    install -d "$root/DEBIAN"
    cat > "$root/DEBIAN/control" <<CONTROL
Package: dm-tools
Version: $package_version
Architecture: $architecture
Maintainer: the developers of dm <noreply@localhost>
Section: admin
Priority: optional
Homepage: $repository
Depends: libc6 (>= 2.17)
Recommends: ca-certificates
Suggests: git
Installed-Size: $(du -sk "$root/usr" | cut -f 1)
Description: $summary
 $description
CONTROL
    (cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum > DEBIAN/md5sums)
    dpkg-deb --root-owner-group -Zxz --build "$root" "$out/dm-tools_${version}_$architecture.deb" > /dev/null
    printf '%s\n' "dm-tools_${version}_$architecture.deb"
}

rpm_package() {
    local architecture=$1 root=$work/rpm
    lay_out "$root/tree/usr"
    gzip -9n "$root"/tree/usr/share/man/man1/*.1
    rpmbuild -bb --quiet --target "$architecture-linux" --define "_topdir $root" --define "tree $root/tree" \
        --define "package_version $package_version" --define "address $repository" --define "summary $summary" \
        --define "details ${description//$'\n'/}" packaging/dm-tools.spec > "$work/rpmbuild.log" 2>&1 ||
        { cat "$work/rpmbuild.log" >&2; exit 1; }
    mv "$root/RPMS/$architecture"/*.rpm "$out/dm-tools-$version-1.$architecture.rpm"
    printf '%s\n' "dm-tools-$version-1.$architecture.rpm"
}

scripts/third-party.sh "$target" > "$work/THIRD-PARTY-LICENSES"
archive
case $target in
    *-linux-gnu)
        cpu=${target%%-*}
        declare -A debian=([x86_64]=amd64 [aarch64]=arm64)
        if command -v dpkg-deb > /dev/null; then deb "${debian[$cpu]}"; else printf 'no .deb: dpkg-deb is not installed\n' >&2; fi
        if command -v rpmbuild > /dev/null; then rpm_package "$cpu"; else printf 'no .rpm: rpmbuild is not installed\n' >&2; fi
        ;;
esac
