#!/bin/sh
# The step of action.yml: installs the tools in a new folder and adds it to the PATH of later steps. Written for any POSIX
# shell, because job containers may have no Bash. Its inputs are variables:
#
#   DM_ACTION_VERSION   the release; empty: that of this action; "source": built here from the sources of this action
#   DM_ACTION_TOOLS     the tools, separated by spaces or commas; empty: all
#   DM_ACTION_REPOSITORY  the repository of this action, and so of its releases
#   DM_TOKEN            for a private repository, and to verify attestations
set -eu

here=$(cd "$(dirname "$0")" && pwd)
# Not a folder that a cache restores: each job unpacks what later steps run from a verified archive.
# Nor one that an earlier job, or an earlier use of this action, may have left.
prefix=$(mktemp -d "$RUNNER_TEMP/dm-tools.XXXXXX")
chmod 755 "$prefix"
tools=$(printf '%s' "${DM_ACTION_TOOLS:-}" | tr ',\n' '  ')
case ${DM_ACTION_VERSION:-} in
    source) set -- --source ;;
    *)
        set -- --server "$GITHUB_SERVER_URL" --digests "$here/digests.txt"
        [ -z "${DM_ACTION_VERSION:-}" ] || set -- "$@" --version "$DM_ACTION_VERSION"
        # Empty if the action is part of the checkout.
        [ -z "${DM_ACTION_REPOSITORY:-}" ] || set -- "$@" --repository "$DM_ACTION_REPOSITORY"
        # On a self-hosted runner the archive is still there for the next job.
        [ -z "${RUNNER_TOOL_CACHE:-}" ] || set -- "$@" --cache "$RUNNER_TOOL_CACHE/dm-tools"
        ;;
esac
PATH=$prefix/bin:$PATH
export PATH
# shellcheck disable=SC2086 # a list of words
if ! "$here/install.sh" --prefix "$prefix" "$@" $tools 2> "$RUNNER_TEMP/dm-tools.log"; then
    # As an annotation, so that the page of the run says it.
    printf '::error title=dm-tools::%s\n' "$(tail -n 1 "$RUNNER_TEMP/dm-tools.log" | sed 's/%/%25/g; s/\r//g')"
    cat "$RUNNER_TEMP/dm-tools.log" >&2
    exit 1
fi
for tool in dm-stage dm-health dm-smoke dm-migrate dm-rollback; do
    [ -x "$prefix/bin/$tool" ] || continue
    version=$("$prefix/bin/$tool" --version | cut -d ' ' -f 2)
done
printf '%s\n' "$prefix/bin" >> "$GITHUB_PATH"
printf 'version=%s\npath=%s\n' "$version" "$prefix/bin" >> "$GITHUB_OUTPUT"
