#!/bin/bash
# Becomes a systemd of its own that runs the unit in the file $1. It has to be started as process 1 of a PID namespace, with
# namespaces of its own for mounts and control groups.
set -eu
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system
cp "$1" /run/systemd/system/shop.service
printf '[Unit]\nDefaultDependencies=no\nRequires=shop.service\n' > /run/systemd/system/test.target
exec /lib/systemd/systemd --system --unit=test.target --log-target=null --show-status=0
