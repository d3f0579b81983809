#!/bin/bash
# Becomes a Docker engine in the folder $1, with a registry at the address $2. It has to be started as process 1 of a PID
# namespace, with a namespace of its own for mounts, so that everything ends with it.
set -eu
mount --make-rprivate /
cd "$1"
printf 'version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: %s/registry\nhttp:\n  addr: %s\n' "$1" "$2" > registry.yml
docker-registry serve registry.yml &
containerd --root "$1/containerd" --state "$1/state" --address "$1/containerd.sock" &
until [ -S containerd.sock ]; do sleep 0.1; done
# Without networks: the containers use that of the machine. vfs needs nothing of the kernel.
dockerd --data-root "$1/data" --exec-root "$1/exec" --pidfile "$1/pid" --host "unix://$1/docker.sock" \
    --containerd "$1/containerd.sock" --bridge none --iptables=false --ip6tables=false --storage-driver vfs &
wait
