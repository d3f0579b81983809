#!/usr/bin/env bash
# Lays out the folder from which packaging/Dockerfile builds the container image: the static programs of a release.
#
#   image.sh VERSION ARCHIVES CONTEXT
set -euo pipefail
cd "$(dirname "$0")/.."

version=${1:?image.sh: which version?} archives=${2:?image.sh: where are the archives?} context=${3:?image.sh: which folder?}
declare -A platforms=([amd64]=x86_64 [arm64]=aarch64)
for platform in "${!platforms[@]}"; do
    name=dm-tools-$version-${platforms[$platform]}-unknown-linux-musl
    [ -f "$archives/$name.tar.gz" ] || { printf 'image.sh: %s is left out: there is no %s.tar.gz\n' "$platform" "$name" >&2; continue; }
    mkdir -p "$context/$platform"
    tar -xzf "$archives/$name.tar.gz" -C "$context/$platform" --strip-components=1
done
cp packaging/Dockerfile "$context/"
cp /etc/ssl/certs/ca-certificates.crt "$context/"
