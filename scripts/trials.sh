#!/usr/bin/env bash
# Long trials. Each repeats a test that scripts/test.sh runs with a small, fixed number of rounds and a fixed seed.
#
#   scripts/trials.sh [--seed N] [--rounds N] [TRIAL…]
#
#   kills    kill the tools at random moments; nothing is counted or rolled back twice
#   history  kill runners that share only a state, on every kind of store; they leave one history
#   soak     run thousands of stages and hundreds of deployments; nothing accumulates
#   rates    deploy versions with 10, 20 and 30 % errors, and send one request a second; they are rolled back in time
#   migrations  run each of seven migration tools in each scenario, bare and wrapped; wrapped is never worse
#   newest   run the tests of dm-migrate on the newest PostgreSQL that Debian has
#   policy   compare dm-health's decisions with a reference model, on random runs
#   fuzz     feed random and damaged input to every parser: scripts/fuzz.sh
#   rules    test the rules on Prometheus 3; and change every rule in every small way, which their tests must notice:
#            scripts/mutate-rules.sh
#   truth    deploy, and compare every rule with the journal: three databases, three scrape intervals, outages
#   releases  build a release twice, in different folders; all files must be identical. Try it in an empty Debian 11 (as root):
#            scripts/try-release.sh
#
# Without a TRIAL all of them run, which takes about three and a half hours. The seed is printed, and the same seed and number of
# rounds repeat a trial; only the timing of the kills also depends on the machine. Needs what scripts/test.sh installs.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; }
fail() { printf 'trials.sh: %s\n' "$*" >&2; exit 1; }

seed=$((RANDOM << 15 | RANDOM))
rounds=
trials=()
while [ $# -gt 0 ]; do
    case $1 in
        --seed | --rounds)
            [[ ${2:-} =~ ^[0-9]+$ ]] || fail "$1 needs a number"
            printf -v "${1#--}" %s "$2"
            shift
            ;;
        -h | --help) usage; exit ;;
        kills | history | soak | rates | migrations | newest | policy | fuzz | rules | truth | releases) trials+=("$1") ;;
        *) fail "unknown argument '$1': see --help" ;;
    esac
    shift
done
[ ${#trials[@]} -gt 0 ] || trials=(kills history soak rates migrations newest policy fuzz rules truth releases)
servers=${CARGO_TARGET_DIR:-target}/test-servers/usr/bin
PATH=$(cd "$servers" 2> /dev/null && pwd || printf /nonexistent):$PATH
export PATH DM_TRIAL_SEED=$seed PROPTEST_RNG_SEED=$seed

# Runs the tests of a package whose names contain one of the words, with their output. Fails if there are none.
run_tests() {
    local package=$1 log
    shift
    log=$(mktemp)
    cargo test --locked --tests -p "$package" -- --nocapture "$@" 2>&1 | tee "$log"
    grep -q '^test result: ok. [1-9]' "$log" || fail "$package has no test with the name $*"
    rm "$log"
}

kills() {
    export DM_TRIAL_ROUNDS=${rounds:-1000}
    run_tests testkit killed_at_any_moment
    run_tests dm-rollback killed_at_any_moment
}

# A round has 2, 8 and 32 runners, of which about half are killed.
history() { DM_TRIAL_ROUNDS=${rounds:-10} run_tests testkit leave_one_history all_finish; }

soak() {
    DM_TRIAL_ROUNDS=${rounds:-10000} run_tests testkit many_runs_leave
    DM_TRIAL_ROUNDS=${rounds:-300} run_tests testkit series_grow_with_stages
}

# Once: the requests that fail are always the same. It takes up to twelve minutes for each version.
rates() { DM_TRIAL_SECOND_MS=1000 run_tests testkit percent_is_rolled_back_in_time; }

# Every scenario is run once per round, with every tool. Without --rounds it takes about half an hour.
migrations() {
    scripts/migration-tools.sh "${CARGO_TARGET_DIR:-target}/test-servers"
    DM_TRIAL_ROUNDS=${rounds:-1} run_tests dm-migrate never_worse
}

# Once. Also what --check claims about each statement is measured on that server.
newest() {
    scripts/newest-postgresql.sh "${CARGO_TARGET_DIR:-target}/test-servers"
    DM_TEST_POSTGRES=newest run_tests dm-migrate
}

# Sixteen random runs per round.
policy() { PROPTEST_CASES=${rounds:-60000} run_tests dm-health policy::; }

fuzz() { scripts/fuzz.sh "${rounds:-1000000}"; }

# Every change is tried once: it needs neither a seed nor rounds.
rules() {
    cargo test --locked -p testkit --test monitoring -- --ignored later_generation
    scripts/mutate-rules.sh
}

# Prints a table: rule, database, interval.
truth() {
    DM_TRIAL_ROUNDS=${rounds:-66} cargo test --locked -p testkit --test monitoring -- --ignored --nocapture every_interval
}

# For this machine's target only. The second build is of a clone, as somebody else would check the release.
releases() {
    local folder version target
    [ -z "$(git status --porcelain)" ] || fail "commit your changes: the second build is of a clone"
    folder=$(realpath -m "${CARGO_TARGET_DIR:-target}/trials/releases")
    version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
    target=$(uname -m)-unknown-linux-gnu
    rm -rf "$folder"
    mkdir -p "$folder"
    CARGO_TARGET_DIR=$folder/one scripts/release.sh "$version" --target "$target" --out "$folder/out-one"
    git clone --quiet . "$folder/clone"
    CARGO_TARGET_DIR=$folder/clone/target "$folder/clone/scripts/release.sh" "$version" --target "$target" --out "$folder/out-two"
    cmp "$folder/out-one/SHA256SUMS" "$folder/out-two/SHA256SUMS" || fail "two builds of the release differ: see $folder"
    if [ "$(id -u)" = 0 ]; then
        scripts/try-release.sh "$version" "$folder/out-one"
    else
        printf 'SKIPPED: only root can try them in an empty Debian 11\n'
    fi
}

report_failure() {
    local code=$?
    [ $code = 0 ] || printf 'trials.sh: FAILED (exit code %s): repeat it with scripts/trials.sh --seed %s%s %s\n' \
        "$code" "$seed" "${rounds:+ --rounds $rounds}" "$trial" >&2
}
trap report_failure EXIT
trial=${trials[0]}
[ "${trials[*]}" = releases ] || cargo build --workspace --locked
for trial in "${trials[@]}"; do
    printf '\n== %s: scripts/trials.sh --seed %s%s %s\n' "$trial" "$seed" "${rounds:+ --rounds $rounds}" "$trial"
    started=$SECONDS
    "$trial"
    printf '%s passed in %s s\n' "$trial" "$((SECONDS - started))"
done
