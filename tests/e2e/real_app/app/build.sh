#!/usr/bin/env bash
# Builds a component of the shop: the API is a program with a fixed number of faults, the front end static files.
set -euo pipefail

component=$1
rm -rf "build/$component"
mkdir -p "build/$component"
case $component in
    api)
        cp "$(command -v sample-service)" build/api/
        # The working directory of the service is its release.
        # shellcheck disable=SC2016
        printf '#!/bin/sh\nexec "$PWD/sample-service" serve --version-name %s --listen %s %s\n' \
            "$DM_VERSION" "$API_ADDRESS" "$(< api/faults)" > build/api/run
        chmod +x build/api/run
        ;;
    web)
        node --check web/shop.mjs
        cp web/shop.mjs build/web/
        sed "s/VERSION/$DM_VERSION/" web/index.html > build/web/index.html
        ;;
esac
