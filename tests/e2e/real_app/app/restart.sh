#!/usr/bin/env bash
# Starts the release of the API that is live, in place of what runs.
set -euo pipefail

daemon=/usr/sbin/start-stop-daemon
[ ! -e "$SRV/api/pid" ] || $daemon --stop --quiet --oknodo --retry TERM/20 --pidfile "$SRV/api/pid"
$daemon --start --quiet --background --make-pidfile --pidfile "$SRV/api/pid" \
    --chdir "$SRV/api/current" --startas "$SRV/api/current/run"
