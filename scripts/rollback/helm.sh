#!/usr/bin/env bash
# Rolls a Helm release back to a known-good revision, for `dm-rollback … -- scripts/rollback/helm.sh`.
#
#   helm.sh             roll back to the revision $DM_ROLLBACK_RELEASE and wait until it is ready
#   helm.sh current     print the live revision
#
# HELM_RELEASE is the name of the release, HELM_NAMESPACE its namespace, HELM_TIMEOUT the time limit in seconds (150).
# After a failed or interrupted upgrade no revision is live as a whole, so `current` fails.
#
# Exit codes: 0 it is live, 1 it is not or nobody knows, 2 wrong use. More: docs/observability/platforms.md
. "$(dirname "$0")/common.sh" || exit 2

needs helm jq
setting HELM_RELEASE '[a-z0-9]([a-z0-9.-]*[a-z0-9])?' 'the name of the release'
setting HELM_NAMESPACE '([a-z0-9]([a-z0-9-]*[a-z0-9])?)?' 'the namespace of the release'
limits HELM
in_namespace=(${HELM_NAMESPACE:+--namespace "$HELM_NAMESPACE"})
check="helm history $HELM_RELEASE"

revisions() { query helm history "$HELM_RELEASE" --output json "${in_namespace[@]}"; }

live() {
    local json
    json=$(revisions) || fail "cannot read the history of $HELM_RELEASE: see above"
    jq --exit-status --raw-output 'max_by(.revision) | select(.status == "deployed").revision' <<< "$json" ||
        fail "it is not known what is live: the newest revision of $HELM_RELEASE is $(jq --raw-output 'max_by(.revision).status' <<< "$json")"
}

# A rollback creates a new revision, which Helm describes as "Rollback to N".
is_live() {
    local json
    json=$(revisions) || { state='helm history failed'; return 1; }
    state="the newest revision is $(jq --raw-output 'max_by(.revision) | "\(.revision), \(.status): \(.description)"' <<< "$json")" &&
        jq --exit-status --argjson target "$release" 'max_by(.revision) | .status == "deployed" and
            (.revision == $target or .description == "Rollback to \($target)")' <<< "$json" > /dev/null
}

restore() {
    local json
    to_restore '[1-9][0-9]{0,8}' 'the number of a revision'
    json=$(revisions) || fail "cannot read the history of $HELM_RELEASE, nothing was changed: see above"
    # A failed rollback turns the failed revision before it into a superseded one.
    state=$(jq --raw-output --argjson target "$release" '.[] | select(.revision == $target) |
        if .description | test(" failed: ") then "failed" else .status end' <<< "$json")
    case $state in
        deployed | superseded) ;;
        '') fail "$HELM_RELEASE has no revision $release any more: deploy that version again, and raise --history-max" ;;
        *) fail "revision $release of $HELM_RELEASE is $state and was never good: choose another" ;;
    esac
    unless_live is_live
    say "rolling $HELM_RELEASE back to revision $release"
    bounded helm rollback "$HELM_RELEASE" "$release" --wait --timeout "$(left)s" --cleanup-on-fail "${in_namespace[@]}" ||
        fail "helm rollback failed, and part of it may be done. Look with: $check"
    is_live || fail "$release was restored but is not live: $state. Look with: $check"
    say "$release is live: $state"
}

main "$@"
