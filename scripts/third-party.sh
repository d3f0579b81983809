#!/usr/bin/env bash
# Prints the licences of the libraries that the programs for a target contain.
#
#   third-party.sh TARGET
set -euo pipefail
cd "$(dirname "$0")/.."

target=${1:?third-party.sh: which target?}
packages=()
for tool in dm-stage dm-health dm-smoke dm-migrate dm-rollback; do packages+=(-p "$tool"); done
# The same text in several libraries is printed once.
declare -A libraries=()
declare -A texts=()
while IFS=$'\t' read -r name version license manifest; do
    for file in "${manifest%/*}"/{LICEN[CS]E,COPYING,NOTICE,UNLICENSE}*; do
        [ -f "$file" ] || continue
        sum=$(sha256sum < "$file")
        libraries[$sum]+="$name $version ($license)"$'\n'
        texts[$sum]=$file
    done
done < <(
    cargo metadata --locked --format-version 1 --filter-platform "$target" |
        jq -r '.packages[] | select(.source) | [.name, .version, .license // "see its text", .manifest_path] | @tsv' | sort |
        grep -F -f <(cargo tree --locked -e normal --target "$target" --prefix none -f $'{p}' "${packages[@]}" |
            sed -nE 's/^([^ ]+) v([^ ]+).*/\1\t\2\t/p' | sort -u)
)
printf 'The programs contain the following libraries, under the licences below them.\n'
mapfile -t order < <(for sum in "${!libraries[@]}"; do printf '%s\t%s\n' "${libraries[$sum]%%$'\n'*}" "$sum"; done | sort | cut -f 2)
for sum in "${order[@]}"; do
    printf '\n%s\n\n%s\n' "$(printf '=%.0s' {1..100})" "${libraries[$sum]}"
    cat "${texts[$sum]}"
done
