#!/usr/bin/env bash
# Sets up what the tests need, then runs all of them: format, lints, tests, shell scripts.
#
# The servers that the tests start (Pushgateway, Prometheus, Alertmanager, PostgreSQL, MariaDB) and shellcheck are Debian's
# packages, unpacked into a private folder: no root, no service that is left running, nothing installed on the machine.
# Where npm is there, one test takes Grafana's types from it.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(libfaketime mariadb-client-core mariadb-server-core prometheus prometheus-alertmanager prometheus-pushgateway shellcheck)
programs=(prometheus promtool prometheus-alertmanager amtool prometheus-pushgateway shellcheck)

say() { printf '\n== %s\n' "$*"; }
fail() { printf 'test.sh: %s\n' "$*" >&2; exit 1; }

# Runs apt-get on a private state, so that neither root nor the machine's own package lists are needed.
private_apt() {
    local state=$1
    shift
    apt-get -qq -o Dir::State="$state" -o Dir::State::status=/var/lib/dpkg/status -o Dir::Cache="$state/cache" \
        -o APT::Sandbox::User="$(id -un)" "$@"
}

install_servers() {
    local folder=$1 work package needed
    command -v apt-get >/dev/null || fail "needs ${programs[*]} on PATH, or a Debian machine to take them from"
    work=$(mktemp -d)
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/root"
    private_apt "$work" update
    # The databases come with the libraries that the machine does not have; not with LLVM, which PostgreSQL can do without.
    private_apt "$work" -s --no-install-recommends install postgresql mariadb-server-core > "$work/plan" ||
        fail "apt-get does not know how to install postgresql and mariadb-server-core"
    mapfile -t needed < <(awk '$1 == "Inst" && $2 ~ /^(postgresql(-client)?-[0-9]+|lib)/ &&
        $2 !~ /^libc6$|llvm|perl/ { print $2 }' "$work/plan")
    (cd "$work" && private_apt "$work" download "${packages[@]}" "${needed[@]}")
    for package in "$work"/*.deb; do
        dpkg-deb -x "$package" "$work/root"
    done
    relocate_alertmanager "$work/root"
    printf '%s\n' "${packages[*]} relocated" > "$work/root/packages"
    mkdir -p "$(dirname "$folder")"
    rm -rf "$folder"
    # In one step: a folder that is there is whole.
    mv "$work/root" "$folder"
    rm -rf "$work"
}

# Debian's Alertmanager finds its templates by a fixed path, and nothing is installed there. So it looks in the folder that
# it is started in: a path of the same length.
relocate_alertmanager() {
    LC_ALL=C sed -i 's|/usr/share/prometheus/alertmanager|./////////////////////////////////|g' "$1/usr/bin/prometheus-alertmanager"
}

have() {
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null || return 1
    done
}

# Whether PostgreSQL is below a folder; its own has the version in its name.
have_postgresql() { compgen -G "$1/lib/postgresql/*/bin/initdb" >/dev/null; }

say "setting up"
have cargo || fail "needs Rust: https://rustup.rs"
have cc || { [ "$(id -u)" = 0 ] && apt-get -qq update && apt-get -qq install -y gcc libc6-dev; } ||
    fail "needs a C compiler: apt-get install gcc libc6-dev"
have curl || { [ "$(id -u)" = 0 ] && apt-get -qq update && apt-get -qq install -y curl; } ||
    fail "needs curl, as scripts/rollback/railway.sh does: apt-get install curl"
for component in rustfmt clippy; do
    have "cargo-${component/rustfmt/fmt}" || rustup component add "$component"
done
servers=${CARGO_TARGET_DIR:-target}/test-servers
PATH=$(mkdir -p "$servers" && cd "$servers" && pwd)/usr/bin:$PATH
export PATH
[ "$(cat "$servers/packages" 2>/dev/null)" = "${packages[*]} relocated" ] || install_servers "$servers"
have "${programs[@]}" || fail "could not install ${programs[*]}"
[ -x "$servers/usr/sbin/mariadbd" ] || fail "could not install mariadb-server-core"
have_postgresql "$servers/usr" || have_postgresql /usr || fail "could not install postgresql"

say "format and lints"
cargo fmt --all --check
cargo clippy --workspace --all-targets --locked -- -D warnings

say "shell scripts"
git ls-files -z '*.sh' .ci/run | xargs -0 shellcheck

say "tests"
# The stories run the built programs: without this, those without tests of their own would not be there.
cargo build --workspace --locked
# A test that hangs is a failed one, not a night of waiting.
timeout 15m cargo test --workspace --locked
