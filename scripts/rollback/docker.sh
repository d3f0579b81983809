#!/usr/bin/env bash
# Rolls a service in Docker back to a known-good image, for `dm-rollback … -- scripts/rollback/docker.sh`.
#
#   docker.sh             start the image $DM_ROLLBACK_RELEASE and wait until it runs and is healthy
#   docker.sh current     print the image of the running containers, by its digest
#
# With Compose: COMPOSE_SERVICE is the service, COMPOSE_IMAGE_VARIABLE the variable that its image is read from (`image:
# ${API_IMAGE}`), COMPOSE_PATH the file (the one of the working directory). Deploy with the same variable: the next
# `docker compose up` without it starts what your .env file says. Without Compose: DOCKER_CONTAINER is the container,
# and DOCKER_RUN a program that replaces it; its argument is the image. DOCKER_TIMEOUT is the time limit in seconds
# (150). An image that was never pushed to a registry has no digest, and cannot be recorded.
#
# Exit codes: 0 it is live, 1 it is not or nobody knows, 2 wrong use. More: docs/observability/platforms.md
. "$(dirname "$0")/common.sh" || exit 2

needs docker jq
setting COMPOSE_SERVICE '([a-zA-Z0-9][a-zA-Z0-9._-]*)?' 'the name of the service'
setting COMPOSE_PATH '([A-Za-z0-9._/][A-Za-z0-9._/-]*)?' 'the path of the Compose file'
setting DOCKER_RUN '(/[A-Za-z0-9._/-]+)?' 'the path of a program that replaces the container'
limits DOCKER
if [ -n "$COMPOSE_SERVICE" ]; then
    setting COMPOSE_IMAGE_VARIABLE '[A-Z][A-Z0-9_]*_(IMAGE|DIGEST)' 'the variable of the image, such as API_IMAGE'
    compose=(docker compose ${COMPOSE_PATH:+--file "$COMPOSE_PATH"})
    check="${compose[*]} ps $COMPOSE_SERVICE"
else
    setting DOCKER_CONTAINER '[a-zA-Z0-9][a-zA-Z0-9_.-]*' 'the name of the container, or set COMPOSE_SERVICE'
    check="docker ps --all --filter name=$DOCKER_CONTAINER"
fi

containers() {
    if [ -n "$COMPOSE_SERVICE" ]; then
        # Compose rejects a file with an empty image, whatever it is asked; `ps` does not look at the image.
        query env "$COMPOSE_IMAGE_VARIABLE=any" "${compose[@]}" ps --all --quiet "$COMPOSE_SERVICE"
    else
        printf '%s\n' "$DOCKER_CONTAINER"
    fi
}

# Prints the id of the image that all containers run, or fails with a reason in one line.
image() {
    local ids json
    mapfile -t ids < <(containers)
    [ ${#ids[@]} != 0 ] || { printf 'there is no container\n'; return 1; }
    json=$(query docker inspect --type container -- "${ids[@]}") || { printf 'docker inspect failed\n'; return 1; }
    json=$(jq --raw-output '(map(.State | select(.Status != "running" or (.Health.Status // "healthy") != "healthy") |
        "a container is \(.Status), its health is \(.Health.Status // "not checked")") + (map(.Image) | unique)) |
        join(", ")' <<< "$json")
    printf '%s\n' "$json"
    matches "$json" 'sha256:[0-9a-z]+'
}

live() {
    local id digest
    id=$(image) || fail "it is not known what is live: $id. Look with: $check"
    digest=$(query docker image inspect -- "$id" | jq --raw-output '.[0].RepoDigests[0] // ""') || fail "cannot read the image $id: see above"
    [ -n "$digest" ] || fail "the running image $id has no digest: push it to a registry and run it from there"
    printf '%s\n' "$digest"
}

is_live() {
    local id
    id=$(query docker image inspect -- "$release" | jq --raw-output '.[0].Id') || { state="the image is not on this machine"; return 1; }
    state=$(image) || return 1
    [ "$state" = "$id" ] || { state="the containers run $state"; return 1; }
}

restore() {
    [ -n "$COMPOSE_SERVICE$DOCKER_RUN" ] || misused "DOCKER_RUN is not set: set it to a program that replaces the container"
    to_restore '[a-z0-9][A-Za-z0-9./_-]*(:[0-9]+/[A-Za-z0-9./_-]+)?@sha256:[0-9a-f]{64}' 'an image with its digest'
    query docker image inspect -- "$release" > /dev/null 2>&1 || bounded docker pull --quiet -- "$release" ||
        fail "$release is neither here nor in its registry any more, nothing was changed: build and deploy that version again"
    unless_live is_live
    say "starting $release"
    if [ -n "$COMPOSE_SERVICE" ]; then
        bounded env "$COMPOSE_IMAGE_VARIABLE=$release" "${compose[@]}" up --detach --no-deps --no-build --wait --wait-timeout "$(left)" "$COMPOSE_SERVICE"
    else
        bounded "$DOCKER_RUN" "$release"
    fi || fail "$release could not be started, and the service may be down. Look with: $check"
    await is_live
    say "$release is live"
}

main "$@"
