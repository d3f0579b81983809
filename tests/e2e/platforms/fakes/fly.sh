#!/bin/bash
# Machines: Machine and machineImageRef in superfly/fly-go machine_types.go; the Machine of the release command has the
# process group fly_app_release_command there. Releases: superfly/flyctl internal/command/apps/releases.go prints
# fly-go's []Release, which has no JSON names of its own.
. "${0%/*}/fake.sh"
good=sha256:1111111111111111111111111111111111111111111111111111111111111111
bad=sha256:2222222222222222222222222222222222222222222222222222222222222222
machine() {
    printf '{"id":"%s","state":"%s","image_ref":{"registry":"registry.fly.io","repository":"shop","tag":"deployment-1","digest":"%s"},"config":{"metadata":{"fly_process_group":"%s"}}}' "$1" "$2" "$3" "${4:-app}"
}
first=$bad second=$bad status=complete
case $scenario in
    live) first=$good second=$good ;;
    failed) first=$good status=failed ;;
    pending) first=$good status=pending ;;
esac
if rolled; then
    status=complete first=$good second=$good
    is wrong && first=$bad second=$bad
    is stuck && second=$bad status=running
fi
case $* in
    'machine list --app shop --json')
        printf '[%s,%s,%s,%s]\n' "$(machine a started "$first")" "$(machine b stopped "$second")" \
            "$(machine c destroyed "$bad")" "$(machine d started sha256:3 fly_app_release_command)" ;;
    'releases --app shop --json')
        printf '[{"ID":"y","Version":8,"Status":"complete","ImageRef":"registry.fly.io/shop:deployment-1"},{"ID":"x","Version":9,"Status":"%s"}]\n' "$status" ;;
    "deploy --app shop --image registry.fly.io/shop@$good --wait-timeout "*'s --yes')
        if is gone; then
            echo "Error: failed to fetch an image or build from source: could not find image \"registry.fly.io/shop@$good\"" >&2
            exit 1
        fi
        change ;;
    *) unexpected "$@" ;;
esac
