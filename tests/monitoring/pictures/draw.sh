#!/usr/bin/env bash
# Draws the five dashboards into docs/observability/img with Grafana's own components in a headless Chromium, from the data
# of a Prometheus server. Run it by hand, not in CI: npm installs 450 MB, and a person must check the pictures.
#
#   apt-get install chromium pngquant
#   scripts/stack.sh up && PUSHGATEWAY_URL=http://… tests/monitoring/pictures/deployments.sh
#   tests/monitoring/pictures/draw.sh http://…prometheus [MINUTES TO SHOW]
set -euo pipefail
cd "$(dirname "$0")/../../.."
: "${1:?give the URL of Prometheus}"

work=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)/pictures
mkdir -p "$work"
cp tests/monitoring/pictures/{package.json,page.jsx,draw.mjs} "$work/"
(cd "$work" && npm install --ignore-scripts --no-audit --no-fund --prefer-offline --loglevel=error)
rm -rf "$work/profile"
node "$work/draw.mjs" "$1" "${2:-15}" "$PWD/config/grafana/dashboards" "$work" "$work/img"
mkdir -p docs/observability/img
# 64 colors are enough for these pictures and reduce their size to a third.
pngquant --force --ext .png --skip-if-larger 64 "$work"/img/*.png || [ $? = 98 ]
cp "$work"/img/*.png docs/observability/img/
