#!/bin/bash
# systemctl(1) and org.freedesktop.systemd1(5): `show` prints PROPERTY=VALUE; ActiveState is active, reloading, inactive,
# failed, activating or deactivating. Without a main process, MainPID is 0.
. "${0%/*}/fake.sh"
case $* in
    'show --property=ActiveState --property=MainPID shop.service')
        state=active
        if rolled; then
            is stuck && state=activating
        else
            is failed && state=failed
            is pending && state=activating
        fi
        printf 'MainPID=0\nActiveState=%s\n' "$state" ;;
    'restart shop.service')
        change
        # Another deployment in the meantime.
        ! is wrong || ln -sfn releases/2.0.0 srv/current ;;
    *) unexpected "$@" ;;
esac
