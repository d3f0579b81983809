#!/usr/bin/env bash
# Sets up everything that the tests need, then checks format, lints, API documentation, shell scripts, workflows and
# dependencies, and runs the tests.
#
# The servers that the tests start (Pushgateway, Prometheus, Alertmanager, PostgreSQL, PgBouncer, MariaDB, Redis, nginx,
# dnsmasq) and shellcheck are Debian's packages, unpacked into a private folder: without root, without services that keep
# running, and without installing anything on the machine. Prometheus 3, VictoriaMetrics and Docker Compose come from forky, a
# later release. Root also gets a Docker engine. The object stores, moto and Azurite, and the migration tools come from PyPI and
# npm into the same folder, zizmor and actionlint from PyPI. Two programs are used if they are installed: cargo-deny checks the
# dependencies, and with npm one test downloads Grafana's types.
#
# DM_TEST_MINUTES limits the time of the tests, without their compilation (by default 25 minutes).
set -Eeuo pipefail
cd "$(dirname "$0")/.."

packages=(dnsmasq-base libfaketime mariadb-client-core mariadb-server-core nginx pgbouncer prometheus
    prometheus-alertmanager prometheus-pushgateway redis-server redis-tools shellcheck)
object_stores=('moto[s3]==5.2.5' 'flask==3.*' 'flask-cors' 'azurite@3.35.0')
later_packages=(docker-compose prometheus promtool victoria-metrics)
docker_packages=(docker.io containerd runc docker-registry busybox-static)
programs=(prometheus promtool prometheus-alertmanager amtool prometheus-pushgateway shellcheck)

section='start'
say() {
    section=$1
    printf '\n== %s\n' "$section"
}
fail() { printf 'test.sh: %s\n' "$*" >&2; exit 1; }

# No failure is silent, whatever the command itself prints.
report() {
    local code=$?
    [ $code = 0 ] || printf '\ntest.sh: FAILED (exit code %s) in the section "%s"\n' "$code" "$section" >&2
}
trap report EXIT

# Runs apt-get with a private state folder: it needs neither root nor the package lists of the machine.
private_apt() {
    local state=$1
    shift
    apt-get -qq -o Dir::State="$state" -o Dir::State::status=/var/lib/dpkg/status -o Dir::Cache="$state/cache" \
        -o APT::Sandbox::User="$(id -un)" "$@"
}

install_servers() {
    local folder=$1 work package needed
    command -v apt-get >/dev/null || fail "needs ${programs[*]} on PATH, or apt-get to download them from Debian"
    work=$(mktemp -d)
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/root"
    private_apt "$work" update || fail "apt-get update failed: are the Debian mirrors reachable?"
    # The servers, with the libraries that the machine does not have. PostgreSQL does not need LLVM.
    local daemons=(postgresql mariadb-server-core nginx pgbouncer dnsmasq-base redis-server)
    private_apt "$work" -s --no-install-recommends install "${daemons[@]}" > "$work/plan" ||
        fail "apt-get cannot install ${daemons[*]}: $(tail -n 3 "$work/plan")"
    mapfile -t needed < <(awk '$1 == "Inst" && $2 ~ /^(postgresql(-client)?-[0-9]+|lib)/ &&
        $2 !~ /^libc6$|llvm|perl/ { print $2 }' "$work/plan")
    (cd "$work" && private_apt "$work" download "${packages[@]}" "${needed[@]}") ||
        fail "apt-get could not download ${packages[*]} ${needed[*]}"
    for package in "$work"/*.deb; do
        dpkg-deb -x "$package" "$work/root" || fail "cannot unpack $package: is the disk full?"
    done
    relocate_alertmanager "$work/root"
    printf '%s\n' "${packages[*]} relocated" > "$work/root/packages"
    mkdir -p "$(dirname "$folder")"
    rm -rf "$folder"
    # In one step: if the folder exists, it is complete.
    mv "$work/root" "$folder"
    rm -rf "$work"
}

# The later generation of the databases, which the rules support too: from Debian forky, whatever this machine's release is.
# These programs are Go's, and need nothing but a libc of 2.34 or newer.
install_later() {
    local folder=$1 work package keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    local from_forky=(-o Dir::Etc::sourceparts=/dev/null)
    have apt-get || fail "needs apt-get to download ${later_packages[*]} from Debian forky"
    [ -e "$keyring" ] || { [ "$(id -u)" = 0 ] && apt-get -qq update && apt-get -qq install -y debian-archive-keyring; } ||
        fail "needs $keyring: apt-get install debian-archive-keyring"
    work=$(mktemp -d)
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/root"
    printf 'deb [signed-by=%s] %s forky main\n' "$keyring" http://deb.debian.org/debian > "$work/sources.list"
    from_forky+=(-o Dir::Etc::sourcelist="$work/sources.list")
    private_apt "$work" "${from_forky[@]}" update || fail "apt-get update failed: is Debian's mirror reachable?"
    (cd "$work" && private_apt "$work" "${from_forky[@]}" download "${later_packages[@]}") ||
        fail "apt-get could not download ${later_packages[*]} from forky"
    for package in "$work"/*.deb; do
        dpkg-deb -x "$package" "$work/root" || fail "cannot unpack $package: is the disk full?"
    done
    printf '%s\n' "${later_packages[*]}" > "$work/root/packages"
    rm -rf "$folder"
    mv "$work/root" "$folder"
    rm -rf "$work"
}

# The fakes of S3 and Azure, for the tests of the shared state: moto from PyPI and Azurite from npm.
install_object_stores() {
    local folder=$1
    have python3 npm || { [ "$(id -u)" = 0 ] && apt-get -qq update && apt-get -qq install -y python3-venv npm; } ||
        fail "needs python3 with venv, and npm: apt-get install python3-venv npm"
    rm -rf "$folder"
    python3 -m venv "$folder/moto" || fail "python3 -m venv failed: apt-get install python3-venv"
    "$folder/moto/bin/pip" install --quiet --disable-pip-version-check "${object_stores[@]:0:3}" ||
        fail "could not install ${object_stores[*]:0:3}: is PyPI reachable?"
    npm install --silent --no-audit --no-fund --prefix "$folder/azurite" "${object_stores[3]}" ||
        fail "could not install ${object_stores[3]}: is npm's registry reachable?"
    printf '%s\n' "${object_stores[*]}" > "$folder/packages"
}

# A Docker engine and a registry, for the test of scripts/rollback/docker.sh. Only root can start an engine.
install_docker() {
    local folder=$1 work package program
    work=$(mktemp -d)
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
    private_apt "$work" update || fail "apt-get update failed: are the Debian mirrors reachable?"
    (cd "$work" && private_apt "$work" download "${docker_packages[@]}") || fail "apt-get could not download ${docker_packages[*]}"
    for package in "$work"/*.deb; do
        dpkg-deb -x "$package" "$work/root" || fail "cannot unpack $package: is the disk full?"
    done
    mkdir -p "$work/bin"
    for program in dockerd docker containerd containerd-shim-runc-v2 runc docker-registry busybox; do
        find "$work/root" -path "*bin/$program" -type f -exec mv {} "$work/bin/" \;
        [ -x "$work/bin/$program" ] || fail "${docker_packages[*]} have no $program"
    done
    printf '%s\n' "${docker_packages[*]}" > "$work/bin/packages"
    rm -rf "$folder"
    mv "$work/bin" "$folder"
    rm -rf "$work"
}

# zizmor and actionlint, which check the workflows: from PyPI, with their digests.
install_workflow_linters() {
    local folder=$1
    rm -rf "$folder"
    python3 -m venv "$folder" || fail "python3 -m venv failed: apt-get install python3-venv"
    "$folder/bin/pip" install --quiet --disable-pip-version-check --no-deps --require-hashes -r scripts/requirements/lint.txt ||
        fail "could not install zizmor and actionlint: is PyPI reachable?"
    cp scripts/requirements/lint.txt "$folder/installed.txt"
}

# Debian's Alertmanager has a fixed path for its templates, where nothing is installed. This replaces it with its working
# directory: a path of the same length.
relocate_alertmanager() {
    LC_ALL=C sed -i 's|/usr/share/prometheus/alertmanager|./////////////////////////////////|g' "$1/usr/bin/prometheus-alertmanager"
}

have() {
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null || return 1
    done
}

# Whether a folder contains PostgreSQL, in a folder with its version as the name.
have_postgresql() { compgen -G "$1/lib/postgresql/*/bin/initdb" >/dev/null; }

say "setting up"
have cargo || fail "needs Rust: https://rustup.rs"
required=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
installed=$(rustc --version | cut -d ' ' -f 2)
[ "$(printf '%s\n' "$required" "${installed%%-*}" | sort -V | head -n 1)" = "$required" ] ||
    fail "needs Rust $required or newer, and this is $installed: run rustup update"
have cc || { [ "$(id -u)" = 0 ] && apt-get -qq update && apt-get -qq install -y gcc libc6-dev; } ||
    fail "needs a C compiler: apt-get install gcc libc6-dev"
have curl || { [ "$(id -u)" = 0 ] && apt-get -qq update && apt-get -qq install -y curl; } ||
    fail "needs curl, for scripts/rollback: apt-get install curl"
have jq || { [ "$(id -u)" = 0 ] && apt-get -qq update && apt-get -qq install -y jq; } ||
    fail "needs jq, for scripts/rollback: apt-get install jq"
for component in rustfmt clippy; do
    have "cargo-${component/rustfmt/fmt}" || rustup component add "$component" ||
        fail "needs $component: rustup component add $component"
done
servers=${CARGO_TARGET_DIR:-target}/test-servers
PATH=$(mkdir -p "$servers" && cd "$servers" && pwd)/usr/bin:$PATH
export PATH
[ "$(cat "$servers/packages" 2>/dev/null)" = "${packages[*]} relocated" ] || install_servers "$servers"
later=$servers/forky
[ "$(cat "$later/packages" 2>/dev/null)" = "${later_packages[*]}" ] || install_later "$later"
stores=$(cd "$servers" && pwd -P)/object-stores
[ "$(cat "$stores/packages" 2>/dev/null)" = "${object_stores[*]}" ] || install_object_stores "$stores"
linters=$(cd "$servers" && pwd -P)/workflow-linters
cmp -s scripts/requirements/lint.txt "$linters/installed.txt" || install_workflow_linters "$linters"
scripts/migration-tools.sh "$servers"
docker=$(dirname "$stores")/docker
[ "$(id -u)" != 0 ] || [ "$(cat "$docker/packages" 2>/dev/null)" = "${docker_packages[*]}" ] || install_docker "$docker"
have "${programs[@]}" || fail "could not install ${programs[*]}"
[ -x "$servers/usr/sbin/mariadbd" ] || fail "could not install mariadb-server-core"
[ -x "$servers/usr/sbin/pgbouncer" ] || fail "could not install pgbouncer"
[ -x "$servers/usr/sbin/nginx" ] || fail "could not install nginx"
[ -x "$servers/usr/sbin/dnsmasq" ] || fail "could not install dnsmasq-base"
[ -x "$servers/usr/bin/redis-server" ] || fail "could not install redis-server"
have_postgresql "$servers/usr" || have_postgresql /usr || fail "could not install postgresql"

say "format, lints and API documentation"
cargo fmt --all --check
cargo clippy --workspace --all-targets --locked -- -D warnings
RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked --quiet

say "shell scripts"
git ls-files -z '*.sh' .ci/run | xargs -0 shellcheck

say "workflows"
"$linters/bin/actionlint"
# Offline: it then does not ask GitHub whether an action has known vulnerabilities.
"$linters/bin/zizmor" --offline --quiet .

say "dependencies"
if have cargo-deny; then
    cargo deny --locked --log-level error check bans licenses sources
    # The database of advisories is a git repository.
    if timeout 20 git ls-remote --quiet https://github.com/rustsec/advisory-db HEAD > /dev/null 2>&1; then
        cargo deny --locked --log-level error check advisories
    else
        printf 'advisories SKIPPED: https://github.com/rustsec/advisory-db is not reachable\n'
    fi
else
    printf 'SKIPPED: cargo-deny is not installed (cargo install --locked cargo-deny); CI runs it\n'
fi

say "build"
# The tests of several tools run the built programs. With --tests these have the same features as the tests, so that no
# dependency is compiled twice.
cargo build --workspace --locked --bins --tests
cargo test --workspace --locked --no-run

say "tests"
# The time limit ends a test that hangs. It does not include the compilation above.
limit=${DM_TEST_MINUTES:-25}
# Most tests wait for a server most of the time.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((3 * $(nproc)))}
# The same random inputs in every run; scripts/trials.sh tries others.
export PROPTEST_RNG_SEED=1
code=0
timeout "${limit}m" cargo test --workspace --locked --no-fail-fast || code=$?
case $code in
    0) ;;
    124)
        printf 'test.sh: the tests did not end within %s minutes, their limit without compilation.\n' "$limit"
        printf 'A test that hangs is above, with "has been running for over 60 seconds".\n'
        fail "if there is none, the machine is slow: set DM_TEST_MINUTES to a larger number"
        ;;
    *) fail 'tests FAILED: their names are above, after "failures:"' ;;
esac
printf '\ntest.sh: everything passed in %s minutes\n' "$((SECONDS / 60))"
