#!/bin/bash
# basecamp/kamal lib/kamal/cli/app.rb (version), lib/kamal/cli/main.rb (rollback: if a container is not available, a message
# and exit code 0), lib/kamal/sshkit_with_ext.rb (puts_by_host: "App Host: NAME", the output, an empty line).
. "${0%/*}/fake.sh"
version=2.0.0 other=2.0.0
case $scenario in
    live) version=1.4.1 other=1.4.1 ;;
    failed) version=1.4.1 other='' ;;
    pending) version=1.4.1 ;;
esac
if rolled; then
    version=1.4.1 other=1.4.1
    is wrong && version=3.0.0 other=3.0.0
    is stuck && other=2.0.0
fi
case $* in
    'app version --destination production')
        printf '  INFO [1a2b] Running docker ps on 192.0.2.1\nApp Host: 192.0.2.1\n%s\n\nApp Host: 192.0.2.2\n%s\n\n' "$version" "$other" ;;
    'rollback 1.4.1 --destination production')
        if is gone; then
            echo "The app version '1.4.1' is not available as a container (use 'kamal app containers' for available versions)"
            exit 0
        fi
        change ;;
    *) unexpected "$@" ;;
esac
