#!/usr/bin/env bash
# Puts the build of a component next to the other releases, and makes it the live one.
set -euo pipefail

folder=$SRV/$1
mkdir -p "$folder/releases"
cp -R "build/$1" "$folder/releases/$DM_VERSION"
ln -sfn "releases/$DM_VERSION" "$folder/current.new"
mv -T "$folder/current.new" "$folder/current"
[ "$1" = web ] || ./restart.sh
