#!/usr/bin/env bash
# Rolls a service on your own server back to a known-good release, for `dm-rollback … -- scripts/rollback/releases.sh`. The
# releases are folders, and a symbolic link says which one is live, as Capistrano and Deployer have it:
#
#   /srv/shop/releases/1.4.1/   /srv/shop/releases/1.5.0/   /srv/shop/current -> releases/1.5.0
#
#   releases.sh             switch to $DM_ROLLBACK_RELEASE (or $DM_ROLLBACK_TARGET), restart, and wait until it runs
#   releases.sh current     print the live release: where the link leads, and what the processes run
#
# RELEASES_DIR is the folder; RELEASES_LINK the name of the link (current); RELEASES_TIMEOUT the time limit in seconds
# (150). What is restarted: RELEASES_UNITS, a list of systemd units with RELEASES_SYSTEMCTL=system|sudo|user, or
# RELEASES_RESTART, a program that returns when the service runs. Without either, only the link is switched, as for
# static files. RELEASES_PIDFILE names the process of such a service. With RELEASES_HOST (such as deploy@vps) the same
# script does all of this there, over SSH, from RELEASES_SCRIPT (/usr/local/lib/rollback/releases.sh).
#
# Exit codes: 0 it is live, 1 it is not or nobody knows, 2 wrong use. More: docs/observability/platforms.md
. "$(dirname "$0")/common.sh" || exit 2

path='/[A-Za-z0-9._/-]+'
setting RELEASES_HOST '(([A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*)?' 'the server, such as deploy@vps'
setting RELEASES_SCRIPT "$path" 'the path of this script on the server' /usr/local/lib/rollback/releases.sh
setting RELEASES_DIR "$path" 'the path of the folder that has "releases" in it'
setting RELEASES_LINK '[A-Za-z0-9][A-Za-z0-9._-]*' 'the name of the symbolic link' current
setting RELEASES_UNITS '([A-Za-z0-9][A-Za-z0-9:_.@-]*( [A-Za-z0-9][A-Za-z0-9:_.@-]*)*)?' 'a list of systemd units'
setting RELEASES_SYSTEMCTL 'system|sudo|user' 'system, sudo or user' system
setting RELEASES_RESTART "($path)?" 'the path of a program that restarts the service'
setting RELEASES_PIDFILE "($path)?" 'the path of a file with the process id of the service'
limits RELEASES
version='[A-Za-z0-9][A-Za-z0-9._+-]*'
releases=$RELEASES_DIR/releases link=$RELEASES_DIR/$RELEASES_LINK
read -r -a units <<< "$RELEASES_UNITS"
case $RELEASES_SYSTEMCTL in
    system) systemctl=(systemctl) ;;
    sudo) systemctl=(sudo --non-interactive systemctl) ;;
    user) systemctl=(systemctl --user) ;;
esac
check="readlink $link${units[*]:+, and ${systemctl[*]} status ${units[*]}}"

# Prints what the link leads to.
linked() {
    local target
    target=$(readlink "$link") && target=${target%/} && case $target in
        "releases/${target##*/}" | "./releases/${target##*/}" | "$releases/${target##*/}") printf '%s\n' "${target##*/}" ;;
        *) false ;;
    esac
}

# Fails, and says so in one line, unless the process runs release $2. Its working directory and its program were
# resolved when it was started, so they do not follow the link. A process outside of the releases, or of another user,
# cannot be told.
runs() {
    local file where root stat
    # One that has ended, and was not reaped yet, is a Z.
    stat=$(cat "/proc/$1/stat" 2> /dev/null) || stat=') Z'
    [[ ${stat##*) } != Z* ]] || { printf 'process %s has ended\n' "$1"; return 1; }
    root=$(readlink --canonicalize "$releases")
    for file in cwd exe; do
        where=$(readlink "/proc/$1/$file" 2> /dev/null) || continue
        where=${where% (deleted)}
        [[ $where == "$root"/* ]] || continue
        where=${where#"$root"/} && where=${where%%/*}
        [ "$where" = "$2" ] || { printf 'the link leads to %s, but process %s runs %s\n' "$2" "$1" "$where"; return 1; }
    done
}

# Fails, and says why in one line, unless everything runs release $1.
all_run() {
    local unit shown pid
    for unit in "${units[@]}"; do
        shown=$(bounded "${systemctl[@]}" show --property=ActiveState --property=MainPID "$unit") || { printf 'systemctl failed\n'; return 1; }
        [[ $shown == *ActiveState=active* ]] || { printf '%s is %s\n' "$unit" "$shown"; return 1; }
        pid=${shown##*MainPID=} && pid=${pid%%$'\n'*}
        # A unit without a main process, such as a oneshot, has 0.
        [ "$pid" = 0 ] || runs "$pid" "$1" || return
    done
    if [ -n "$RELEASES_PIDFILE" ]; then
        pid=$(head --bytes=20 "$RELEASES_PIDFILE" 2> /dev/null) || pid=''
        matches "$pid" '[1-9][0-9]*' || { printf 'there is no process id in %s\n' "$RELEASES_PIDFILE"; return 1; }
        runs "$pid" "$1" || return
    fi
}

live() {
    local found
    found=$(linked) || fail "it is not known what is live: $link is no link to a folder in $releases"
    state=$(all_run "$found") || fail "it is not known what is live: $state. Look with: $check"
    printf '%s\n' "$found"
}

is_live() {
    state=$(live 2>&1) || return 1
    [ "$state" = "$release" ]
}

# A service that crashes at its start is alive for a moment, so it is looked at twice.
stays_live() { is_live && sleep "$interval" && is_live; }

restore() {
    local unit
    to_restore "$version" 'the name of a folder in releases' or_target
    [[ -d $releases/$release && ! -L $releases/$release ]] || fail "$releases/$release does not exist any more: deploy that version again, and keep more releases"
    [[ -L $link || ! -e $link ]] || fail "$link is not a symbolic link: nothing was changed"
    unless_live is_live
    say "switching $link to $release"
    # In one step: at every moment there is a link, and it leads to one release or the other.
    { ln --symbolic --no-dereference --force "releases/$release" "$link.rollback" &&
        mv --no-target-directory "$link.rollback" "$link"; } || fail "cannot replace $link: who may write to $RELEASES_DIR?"
    for unit in "${units[@]}"; do
        say "restarting $unit"
        bounded "${systemctl[@]}" restart "$unit" || fail "$link leads to $release, but $unit was not restarted. Look with: $check"
    done
    if [ -n "$RELEASES_RESTART" ]; then
        say "running $RELEASES_RESTART"
        bounded "$RELEASES_RESTART" || fail "$link leads to $release, but $RELEASES_RESTART failed: restart the service by hand"
    fi
    await stays_live
    say "$release is live"
}

# The names were checked: none has a character that the shell of the server would interpret.
remotely() {
    local variables=("DM_ROLLBACK_RELEASE=$release") variable
    for variable in DIR LINK SYSTEMCTL RESTART PIDFILE TIMEOUT INTERVAL; do
        variable=RELEASES_$variable
        variables+=("$variable=${!variable}")
    done
    bounded ssh -o BatchMode=yes -o ConnectTimeout=10 -- "$RELEASES_HOST" \
        env "${variables[@]}" "RELEASES_UNITS='$RELEASES_UNITS'" "$RELEASES_SCRIPT" "$@"
}

needs readlink ${RELEASES_HOST:+ssh}
if [ -n "$RELEASES_HOST" ]; then
    [ $# = 0 ] || [ "$*" = current ] || misused "unknown argument '$*': there is only 'current'; the head of the script describes the settings"
    [ $# != 0 ] || to_restore "$version" 'the name of a folder in releases' or_target
    code=0
    remotely "$@" || code=$?
    [ $code -le 2 ] || fail "$RELEASES_HOST did not run $RELEASES_SCRIPT to its end (exit code $code): it is not known what is live there"
    exit $code
fi
[ ${#units[@]} = 0 ] || needs "${systemctl[0]}" systemctl
main "$@"
