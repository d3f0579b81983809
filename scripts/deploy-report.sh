#!/usr/bin/env bash
# Keeps what a deployment in CI recorded: its page, its report, its timeline and its events, for an artefact; in GitHub
# Actions the page is also the summary of the run. It never fails: a report that cannot be written must not turn a good
# deployment into a failed one.
#
#   deploy-report.sh FOLDER
#
# Reads DM_STATE_DIR and DM_DEPLOYMENT_ID. If the deployment ended before its first stage, there is nothing to report.
set -uo pipefail

folder=${1:?deploy-report.sh: which folder?}
if ! page=$(dm-stage --timeline "${DM_DEPLOYMENT_ID:?deploy-report.sh: set DM_DEPLOYMENT_ID}" --format markdown); then
    printf 'deploy-report.sh: nothing is on record of deployment %s\n' "$DM_DEPLOYMENT_ID" >&2
    exit 0
fi
mkdir -p "$folder" && printf '%s\n' "$page" > "$folder/summary.md"
dm-stage --timeline "$DM_DEPLOYMENT_ID" > "$folder/timeline.txt"
dm-stage --report "$folder/report.html" --deployment "$DM_DEPLOYMENT_ID"
[ ! -f "${DM_STATE_DIR:-}/journal.jsonl" ] || cp "$DM_STATE_DIR/journal.jsonl" "$folder/"
[ -z "${GITHUB_STEP_SUMMARY:-}" ] || printf '%s\n' "$page" >> "$GITHUB_STEP_SUMMARY"
exit 0
