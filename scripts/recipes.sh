#!/usr/bin/env bash
# Writes what belongs to the archives of a release: the installer, the GitLab template, the Homebrew formula and the recipe
# for the AUR.
#
#   recipes.sh VERSION OUT
#
# OUT contains the archives. A recipe whose archives are not all there is left out. The release workflow runs it again, once
# it has the archives of all targets.
set -euo pipefail
cd "$(dirname "$0")/.."

version=${1:?recipes.sh: which version?} out=${2:?recipes.sh: which folder?}
repository=$(sed -n 's/^repository = "\(.*\)"/\1/p' Cargo.toml)

# Replaces @NAMES@ in a template; @SHA256 TARGET@ becomes the digest of that target's archive.
fill_in() {
    local template=$1 to=$2 text target sum
    text=$(< "$template")
    text=${text//@VERSION@/$version}
    text=${text//@REPOSITORY@/$repository}
    text=${text//@INSTALLER@/$installer}
    while [[ $text =~ @SHA256\ ([a-z0-9_-]+)@ ]]; do
        target=${BASH_REMATCH[1]}
        if [ ! -f "$out/dm-tools-$version-$target.tar.gz" ]; then
            printf '%s is left out: there is no archive for %s\n' "${to##*/}" "$target" >&2
            return
        fi
        sum=$(sha256sum < "$out/dm-tools-$version-$target.tar.gz")
        text=${text//"@SHA256 $target@"/${sum%% *}}
    done
    printf '%s\n' "$text" > "$to"
}

# This copy knows where it belongs to.
sed -e "s|^repository=''|repository='${repository#https://*/}'|" -e "s|^version=''|version='$version'|" scripts/install.sh > "$out/install.sh"
installer=$(sha256sum < "$out/install.sh")
installer=${installer%% *}
fill_in packaging/gitlab-ci.yml "$out/gitlab-ci.yml"
fill_in packaging/dm-tools.rb "$out/dm-tools.rb"
fill_in packaging/PKGBUILD "$out/PKGBUILD"
