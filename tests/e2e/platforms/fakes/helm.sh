#!/bin/bash
# helm history: the fields of releaseInfo in helm/helm cmd/helm/history.go (v3), and the statuses of pkg/release/status.go.
# A failed upgrade leaves the revision before it deployed: helm/helm pkg/action/upgrade.go, failRelease. A rollback is a
# new revision with the description "Rollback to N", and --wait fails with the message below: pkg/action/rollback.go.
. "${0%/*}/fake.sh"
revision() {
    printf '{"revision":%s,"updated":"2026-11-26T10:00:00Z","status":"%s","chart":"web-1.0.0","app_version":"1.0","description":"%s"}' "$1" "$2" "$3"
}
history() {
    is gone || revision 3 "$1" 'Install complete'
    is gone || printf ','
    # Superseded by a rollback that failed.
    revision 4 superseded 'Upgrade \"web\" failed: timed out waiting for the condition'
    printf ','
}
case $* in
    'history web --output json --namespace shop')
        printf '['
        if rolled; then
            history superseded
            revision 5 superseded 'Upgrade complete'
            if is wrong; then
                printf ','
                revision 6 superseded 'Rollback to 3'
                printf ','
                revision 7 deployed 'Upgrade complete'
            else
                printf ','
                revision 6 deployed 'Rollback to 3'
            fi
        else
            case $scenario in
                failed) history deployed && revision 5 failed 'Upgrade \"web\" failed: context deadline exceeded' ;;
                pending) history deployed && revision 5 pending-upgrade 'Preparing upgrade' ;;
                live) revision 3 deployed 'Install complete' ;;
                *) history superseded && revision 5 deployed 'Upgrade complete' ;;
            esac
        fi
        printf ']\n' ;;
    'rollback web 3 --wait --timeout '*'s --cleanup-on-fail --namespace shop')
        if is stuck; then
            echo 'Error: release web failed: timed out waiting for the condition' >&2
            exit 1
        fi
        change
        echo 'Rollback was a success! Happy Helming!' ;;
    *) unexpected "$@" ;;
esac
