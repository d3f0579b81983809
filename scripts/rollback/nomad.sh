#!/usr/bin/env bash
# Reverts a job on Nomad to a known-good version, for `dm-rollback … -- scripts/rollback/nomad.sh`.
#
#   nomad.sh             revert to the version $DM_ROLLBACK_RELEASE and wait until its deployment is successful
#   nomad.sh current     print the number of the live version
#
# NOMAD_JOB is the id of a service job with an `update` block, NOMAD_TIMEOUT the time limit in seconds (150).
# NOMAD_ADDR, NOMAD_TOKEN, NOMAD_NAMESPACE and NOMAD_REGION are those of the CLI. Nomad keeps six versions of a job. A
# revert restores the job, not Variables, Vault secrets, or an image whose tag has moved.
#
# Exit codes: 0 it is live, 1 it is not or nobody knows, 2 wrong use. More: docs/observability/platforms.md
. "$(dirname "$0")/common.sh" || exit 2

needs nomad jq
setting NOMAD_JOB '[A-Za-z0-9][A-Za-z0-9._/-]*' 'the id of the job'
limits NOMAD
check="nomad job status $NOMAD_JOB"

# Prints the versions of the job, and its latest deployment.
look() {
    local versions deployment
    versions=$(query nomad job history -json "$NOMAD_JOB") &&
        deployment=$(query nomad job deployments -latest -json "$NOMAD_JOB") &&
        jq --slurp --exit-status --arg job "$NOMAD_JOB" 'select(.[0][0].ID == $job) | {versions: .[0], deployment: .[1]}' <<< "$versions$deployment"
}

describe() {
    jq --raw-output '(.versions | max_by(.Version)) as $newest | "version \($newest.Version) is the newest" +
        if $newest.Stop then ", and the job is stopped" elif .deployment.JobVersion != $newest.Version then " and has no deployment"
        else ", and its deployment is \(.deployment.Status): \(.deployment.StatusDescription)" end'
}

live() {
    local json
    json=$(look) || fail "cannot read the job $NOMAD_JOB: see above"
    jq --exit-status '(.versions | max_by(.Version)) as $newest | select(($newest.Stop | not) and
        .deployment.JobVersion == $newest.Version and .deployment.Status == "successful") | $newest.Version' <<< "$json" ||
        fail "it is not known what is live: $(describe <<< "$json"). Look with: $check"
}

# A revert creates a new version with the content of the old one, so the contents are compared.
is_live() {
    local json
    json=$(look) || { state='the job cannot be read'; return 1; }
    state=$(describe <<< "$json")
    jq --exit-status --argjson target "$release" 'def content: del(.Version, .Stable, .Status, .StatusDescription, .SubmitTime,
            .CreateIndex, .ModifyIndex, .JobModifyIndex, .VersionTag, .NomadTokenID, .ConsulToken, .VaultToken);
        (.versions | max_by(.Version)) as $newest | .deployment.JobVersion == $newest.Version and .deployment.Status == "successful" and
        any(.versions[]; .Version == $target and content == ($newest | content))' <<< "$json" > /dev/null
}

is_restored() {
    is_live && return
    [[ ! $state =~ deployment\ is\ (failed|cancelled) ]] || fail "the revert to version $release failed: $state. Look with: $check"
    return 1
}

restore() {
    local json
    to_restore '0|[1-9][0-9]{0,8}' 'the number of a version'
    json=$(look) || fail "cannot read the job $NOMAD_JOB, nothing was changed: see above"
    state=$(jq --argjson target "$release" '.versions[] | select(.Version == $target).Stable' <<< "$json")
    [ -n "$state" ] || fail "$NOMAD_JOB has no version $release any more: deploy that version again"
    [ "$state" = true ] || fail "version $release of $NOMAD_JOB is not stable: its deployment never succeeded. Choose another"
    unless_live is_live
    say "reverting $NOMAD_JOB to version $release"
    bounded nomad job revert -detach "$NOMAD_JOB" "$release" || fail "nomad job revert failed. Look with: $check"
    await is_restored
    say "$release is live: $state"
}

main "$@"
