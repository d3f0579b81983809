#!/bin/sh
# Installs the tools with their man pages and shell completions: downloads a release, verifies it, and puts it in place.
#
#   install.sh                       install all five tools in ~/.local
#   install.sh --prefix /usr/local   install them in another folder
#   install.sh --version 0.2.0       install this release; by default that of this script
#   install.sh dm-stage dm-health    install only these tools
#   install.sh --source              build them from source instead, which needs Rust and a C compiler
#   install.sh --from target/debug   install the programs of a folder instead
#
# Other flags:
#
#   --repository OWNER/NAME   download from this repository
#   --server URL              on this server, instead of https://github.com
#   --digests FILE            a file with lines of sha256sum; an archive that it names must have that digest
#   --cache FOLDER            keep the archive there; one that is there already is verified again, and not downloaded
#
# The digest of an archive is that of --digests, or else that of SHA256SUMS in the release; then the GitHub CLI, if it is
# installed and logged in, also verifies by which workflow and from which commit the archive was built. The token in
# DM_TOKEN is used if the repository is private.
#
# It is written for any POSIX shell, with curl or wget, tar and gzip: images without Bash have to run it.
set -eu

# scripts/release.sh fills these in, in the copy that belongs to a release.
repository=''
version=''

all='dm-stage dm-health dm-smoke dm-migrate dm-rollback'
prefix=${HOME:-}/.local
server=https://github.com
from=''
digests=''
cache=''
tools=''
# The repository that this script is part of, if it is.
here=''
case $0 in
    */install.sh) here=$(cd "$(dirname "$0")/.." && pwd) ;;
esac
[ -f "$here/scripts/install.sh" ] || here=''

say() { printf 'install.sh: %s\n' "$*" >&2; }
fail() { say "$*"; exit 2; }
usage() { sed -n '2,/^set -eu/{/^set -eu/d;s/^# \{0,1\}//;p;}' "$0"; }
have() { command -v "$1" > /dev/null 2>&1; }

main() {
    while [ $# -gt 0 ]; do
        case $1 in
            --prefix) [ -n "${2:-}" ] || fail "--prefix needs a folder"; prefix=$2; shift ;;
            --version) [ -n "${2:-}" ] || fail "--version needs a version"; version=${2#v}; shift ;;
            --repository) [ -n "${2:-}" ] || fail "--repository needs OWNER/NAME"; repository=$2; shift ;;
            --server) [ -n "${2:-}" ] || fail "--server needs a URL"; server=${2%/}; shift ;;
            --digests) [ -r "${2:-}" ] || fail "--digests needs a file"; digests=$2; shift ;;
            --cache) [ -n "${2:-}" ] || fail "--cache needs a folder"; cache=$2; shift ;;
            --from) [ -n "${2:-}" ] || fail "--from needs a folder"; from=$2; shift ;;
            --source) from=source ;;
            --help | -h) usage; exit 0 ;;
            dm-stage | dm-health | dm-smoke | dm-migrate | dm-rollback) tools="$tools $1" ;;
            *) fail "unknown argument '$1': the tools are $all" ;;
        esac
        shift
    done
    prefix=${prefix%/}
    tools=${tools:-$all}
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    # A signal that is not caught would leave the folder.
    trap 'exit 130' INT
    trap 'exit 143' TERM

    case $from in
        '') download; programs=$tree/bin; share=$tree/share ;;
        source) build; share_of_sources ;;
        *) programs=$from; share_of_sources ;;
    esac
    # All or nothing: if one program is missing, install none.
    for tool in $tools; do
        [ -x "$programs/$tool" ] || fail "there is no program $tool in $programs"
    done
    for tool in $tools; do
        place 755 "$programs/$tool" "bin/$tool"
        for page in "man/man1/$tool.1" "bash-completion/completions/$tool" "zsh/site-functions/_$tool" \
            "fish/vendor_completions.d/$tool.fish"; do
            place 644 "$share/$page" "share/$page"
        done
    done
    # The scripts of a release belong to its tools.
    [ ! -d "$share/dm-tools" ] || { mkdir -p "$prefix/share" && cp -R "$share/dm-tools" "$prefix/share/"; }
    printf 'installed in %s: %s\n' "$prefix/bin" "${tools# }"
    case :$PATH: in
        *":$prefix/bin:"*) ;;
        *) say "$prefix/bin is not on PATH; add it to use the tools" ;;
    esac
}

# Puts a file in place in one step: a program that is running is not overwritten.
place() {
    mkdir -p "$prefix/$(dirname "$3")"
    cp "$2" "$prefix/$3.new.$$"
    chmod "$1" "$prefix/$3.new.$$"
    mv -f "$prefix/$3.new.$$" "$prefix/$3"
}

build() {
    [ -n "$here" ] || fail "--source needs a checkout of the repository: run its scripts/install.sh"
    have cargo || fail "needs Rust: install it from https://rustup.rs"
    packages=''
    for tool in $tools; do packages="$packages --package=$tool"; done
    # A build with uncommitted changes is not that of the commit.
    if [ -z "$(git -C "$here" status --porcelain 2>&1)" ]; then
        DM_BUILD_COMMIT=$(git -C "$here" rev-parse HEAD)
        export DM_BUILD_COMMIT
    fi
    target=${CARGO_TARGET_DIR:-$here/target}
    mkdir -p "$target"
    target=$(cd "$target" && pwd)
    # Build in the repository, so that the toolchain and the cargo settings of the current folder do not apply.
    # shellcheck disable=SC2086 # a list of words
    (cd "$here" && cargo build --release --locked --target-dir "$target" $packages)
    programs=$target/release
}

# Lays out the pages of the sources as in a release.
share_of_sources() {
    [ -n "$here" ] || fail "--from needs a checkout of the repository: run its scripts/install.sh"
    share=$work/share
    mkdir -p "$share/man" "$share/bash-completion/completions" "$share/zsh/site-functions" "$share/fish/vendor_completions.d"
    cp -R "$here/docs/man" "$share/man/man1"
    for tool in $tools; do
        cp "$here/docs/completions/$tool.bash" "$share/bash-completion/completions/$tool"
        cp "$here/docs/completions/_$tool" "$share/zsh/site-functions/"
        cp "$here/docs/completions/$tool.fish" "$share/fish/vendor_completions.d/"
    done
}

# Downloads the archive of this machine, verifies and unpacks it. Sets $tree.
download() {
    if [ -n "$here" ]; then
        value() { sed -n "s/^$1 = \"\(.*\)\"/\1/p" "$here/Cargo.toml" | head -n 1; }
        repository=${repository:-$(value repository | sed 's|^https://[^/]*/||')}
        version=${version:-$(value version)}
    fi
    case $repository in
        '' | OWNER/REPOSITORY) fail "the address of the project is not known: name it with --repository OWNER/NAME, or build with --source" ;;
        *[!A-Za-z0-9._/-]* | */*/* | *..*) fail "'$repository' is not OWNER/NAME" ;;
    esac
    case $version in
        '') fail "which release? Name it with --version" ;;
        *[!A-Za-z0-9.+-]*) fail "'$version' is not a version" ;;
    esac
    case $server in
        https://*) protocols='=https' ;;
        http://127.0.0.1:* | http://localhost:*) protocols='=http,https' ;;
        *) fail "'$server' is not a https URL" ;;
    esac
    have curl || have wget || fail "needs curl or wget"
    name=dm-tools-$version-$(target)
    archive=$work/$name.tar.gz
    expect_digest
    if [ -n "$cache" ] && [ "$(digest_of "$cache/$name.tar.gz")" = "$expected" ]; then
        cp "$cache/$name.tar.gz" "$archive"
    else
        fetch "$name.tar.gz" "$archive"
    fi
    # After the copy: a file in a cache that others can write could change in between.
    actual=$(digest_of "$archive")
    [ "$actual" = "$expected" ] ||
        fail "$name.tar.gz is NOT what was released: its SHA-256 is $actual, and $recorded says $expected. Nothing was installed"
    [ "$recorded" = "$digests" ] || verify_attestation
    [ -z "$cache" ] || keep
    tar -xzf "$archive" -C "$work"
    tree=$work/$name
}

# Prints the target of this machine: Linux with glibc 2.17 or newer, or any other Linux, on which the static programs run.
target() {
    [ "$(uname -s)" = Linux ] || fail "the tools need Linux, and this is $(uname -s)"
    case $(uname -m) in
        x86_64 | amd64) cpu=x86_64 ;;
        aarch64 | arm64) cpu=aarch64 ;;
        *) fail "there is no release for $(uname -m): build with --source" ;;
    esac
    # A 32-bit system may run on a 64-bit kernel.
    [ "$(getconf LONG_BIT 2> /dev/null || echo 64)" = 64 ] || fail "there is no release for 32-bit systems"
    libc=$(getconf GNU_LIBC_VERSION 2> /dev/null || true)
    minor=${libc#glibc 2.}
    case ${minor%%.*} in
        '' | *[!0-9]* | [0-9] | 1[0-6]) printf '%s-unknown-linux-musl' "$cpu" ;;
        *) printf '%s-unknown-linux-gnu' "$cpu" ;;
    esac
}

# Sets $expected to the digest that the archive must have, and $recorded to where it is from.
expect_digest() {
    recorded=$digests
    expected=''
    [ -z "$digests" ] || expected=$(digest_in "$digests")
    if [ -z "$expected" ]; then
        recorded=SHA256SUMS
        fetch SHA256SUMS "$work/SHA256SUMS"
        expected=$(digest_in "$work/SHA256SUMS")
        [ -n "$expected" ] || fail "release $version has no $name.tar.gz: build with --source"
    fi
}

digest_in() { awk -v name="$name.tar.gz" '($2 == name || $2 == "*" name) && $1 ~ /^[0-9a-f]+$/ && length($1) == 64 { print $1; exit }' "$1"; }

# Prints nothing if there is no such file.
digest_of() {
    [ -f "$1" ] || return 0
    sha256sum < "$1" | cut -d ' ' -f 1
}

# Downloads a file of the release; from a private repository, through the API.
fetch() {
    url=$server/$repository/releases/download/v$version/$1
    if get "$url" "$2" 2> "$work/error"; then return; fi
    if [ -n "${DM_TOKEN:-}" ] && have curl; then
        api=${GITHUB_API_URL:-https://api.github.com}/repos/$repository/releases/tags/v$version
        if get_with_token "$api" application/json "$work/release" 2>> "$work/error"; then
            # Each member of the JSON on a line of its own.
            # shellcheck disable=SC2020 # these are sets
            asset=$(tr ',{' '\n\n' < "$work/release" | awk -F '"' -v name="$1" \
                '$2 == "url" && $4 ~ /\/releases\/assets\/[0-9]+$/ { url = $4 } $2 == "name" && $4 == name { print url; exit }')
            if [ -n "$asset" ] && get_with_token "$asset" application/octet-stream "$2" 2>> "$work/error"; then return; fi
        fi
    fi
    fail "cannot download $url ($(tr '\n' ' ' < "$work/error" | sed 's/ *$//')): is $version a release, and the server reachable from here?"
}

get() {
    if have curl; then
        curl -fsSL --proto "$protocols" --connect-timeout 10 --max-time 300 --retry 2 -o "$2" "$1"
    else
        wget -q -T 30 -O "$2" "$1"
    fi
}

# The token is on stdin, because other users can see arguments.
get_with_token() {
    printf 'header = "Authorization: Bearer %s"\n' "$DM_TOKEN" |
        curl -fsSL --proto "$protocols" --connect-timeout 10 --max-time 300 -K - -H "Accept: $2" -o "$3" "$1"
}

verify_attestation() {
    # Other servers have no attestations; the one on this machine is that of the tests.
    case $server in https://github.com | http://127.0.0.1:*) ;; *) return 0 ;; esac
    have gh || return 0
    [ -z "${DM_TOKEN:-}" ] || export GH_TOKEN="$DM_TOKEN"
    gh auth status > /dev/null 2>&1 || return 0
    gh attestation verify "$archive" --repo "$repository" --signer-workflow "$repository/.github/workflows/release.yml" \
        > "$work/attestation" 2>&1 ||
        fail "$name.tar.gz is not attested by the release workflow of $repository: $(tail -n 1 "$work/attestation"). Nothing was installed"
}

# The next run finds the whole archive, or none. A cache that cannot be written costs the next run a download.
keep() {
    new=$cache/$name.new.$$
    if ! { mkdir -p "$cache" && cp "$archive" "$new" && mv -f "$new" "$cache/$name.tar.gz"; } 2> /dev/null; then
        rm -f "$new"
    fi
}

# In a function: if the download of this script is cut, nothing runs.
main "$@"
