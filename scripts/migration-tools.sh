#!/usr/bin/env bash
# Installs the migration tools of tests/migrations into the folder FOLDER/migration-tools, from PyPI and npm: Alembic and
# Django; dbmate, knex and node-pg-migrate. scripts/test.sh and scripts/trials.sh call it.
#
#   scripts/migration-tools.sh FOLDER
set -euo pipefail

fail() { printf 'migration-tools.sh: %s\n' "$*" >&2; exit 1; }

python_packages=('alembic==1.20.*' 'django==5.2.*' 'psycopg[binary]==3.3.*')
node_packages=('dbmate@2.36.0' 'knex@3.3.0' 'node-pg-migrate@9.0.0' 'pg@8.23.1')
[ $# = 1 ] || fail "needs the folder of the servers: scripts/migration-tools.sh target/test-servers"
folder=$(mkdir -p "$1" && cd "$1" && pwd -P)/migration-tools
wanted="${python_packages[*]} ${node_packages[*]}"
[ "$(cat "$folder/packages" 2> /dev/null)" != "$wanted" ] || exit 0
for program in python3 npm; do
    command -v "$program" > /dev/null || fail "needs python3 with venv, and npm: apt-get install python3-venv npm"
done
rm -rf "$folder"
python3 -m venv "$folder/python" || fail "python3 -m venv failed: apt-get install python3-venv"
"$folder/python/bin/pip" install --quiet --disable-pip-version-check "${python_packages[@]}" ||
    fail "could not install ${python_packages[*]}: is PyPI reachable?"
npm install --silent --no-audit --no-fund --prefix "$folder/node" "${node_packages[@]}" ||
    fail "could not install ${node_packages[*]}: is npm's registry reachable?"
printf '%s\n' "$wanted" > "$folder/packages"
