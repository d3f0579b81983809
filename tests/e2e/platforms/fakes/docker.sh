#!/bin/bash
# The commands: docs.docker.com/reference/cli/docker (compose up --wait, compose ps --quiet, inspect, image inspect). The
# fields: ContainerState, Health and ImageInspect of the Docker Engine API.
. "${0%/*}/fake.sh"
good=registry.example/shop@sha256:1111111111111111111111111111111111111111111111111111111111111111
container() { printf '{"Image":"sha256:%s","State":{"Status":"%s","Health":{"Status":"%s"}}}' "$1" "$2" "$3"; }
if rolled; then
    shown=$(container good running healthy)
    is wrong && shown=$(container bad running healthy)
else
    case $scenario in
        live) shown=$(container good running healthy) ;;
        failed) shown=$(container bad exited unhealthy) ;;
        pending) shown=$(container bad running starting) ;;
        *) shown=$(container bad running healthy) ;;
    esac
fi
case $* in
    'compose --file compose.yaml ps --all --quiet api') echo c1; echo c2 ;;
    'inspect --type container -- c1 c2') printf '[%s,%s]\n' "$shown" "$shown" ;;
    'inspect --type container -- web') printf '[%s]\n' "$shown" ;;
    "image inspect -- $good")
        if is gone; then
            echo "Error response from daemon: No such image: $good" >&2
            echo '[]'
            exit 1
        fi
        printf '[{"Id":"sha256:good","RepoDigests":["%s"]}]\n' "$good" ;;
    'image inspect -- sha256:good') printf '[{"Id":"sha256:good","RepoDigests":["%s"]}]\n' "$good" ;;
    'image inspect -- sha256:bad') printf '[{"Id":"sha256:bad","RepoDigests":["%s"]}]\n' "${good//1/2}" ;;
    "pull --quiet -- $good") echo 'Error response from daemon: manifest unknown' >&2; exit 1 ;;
    'compose --file compose.yaml up --detach --no-deps --no-build --wait --wait-timeout '*' api')
        [ "$API_IMAGE" = "$good" ] || unexpected "API_IMAGE=$API_IMAGE"
        if is stuck; then
            echo 'container shop-api-1 is unhealthy' >&2
            exit 1
        fi
        change ;;
    *) unexpected "$@" ;;
esac
