#!/bin/sh
# SPDX-License-Identifier: MIT
#
# setup.sh SET... - installs the Debian packages that are missing for these sets:
# build, check, run, bench, format.  Looks for commands and headers, not for packages,
# so what was installed in another way counts.  Touches nothing when nothing is missing.
set -u

cd "$(dirname "$0")/.." || exit 1
missing=
optional=

# need PACKAGE PROBE...: notes the package when the probe fails.
need() {
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}

have() {
    command -v "$1"
}

header() {
    echo "#include <$1>" | "${CC:-gcc}" -E -
}

sanitizer() {
    out=$(mktemp)
    echo 'int main(void) { return 0; }' | "$1" "-fsanitize=$2" -x c -o "$out" -
    status=$?
    rm -f "$out"
    return $status
}

installed() {
    dpkg-query -W -f='${Status}' "$1" | grep -q 'ok installed'
}

need_build() {
    need gcc have gcc
    need libc6-dev header stdio.h
    need meson have meson
    need ninja-build have ninja
    need pkg-config have pkg-config
    need zlib1g-dev header zlib.h
}

need_check() {
    need libcmocka-dev pkg-config --exists cmocka
    need g++ have g++
    need clang have clang
    need libclang-rt-dev sanitizer clang address
    need python3 have python3
    need gzip have gzip
    need tar have tar
}

need_run() {
    need pigz have pigz
    need gzip have gzip
    need tar have tar
    need diffutils have cmp
}

# A peer that is not there is not measured, so its package may not exist.
need_bench() {
    need python3 have python3
    [ -f bench/packages.txt ] || return 0
    while read -r package; do
        [ -z "$package" ] || installed "$package" 2>/dev/null || optional="$optional $package"
    done <bench/packages.txt
}

need_format() {
    need clang-format have clang-format
}

for set in "$@"; do
    case $set in
    build | check | run | bench | format) "need_$set" ;;
    *) echo "setup.sh: no set $set" >&2 && exit 2 ;;
    esac
done
[ -n "$missing$optional" ] || exit 0

install="apt-get install -y --no-install-recommends"
if ! command -v apt-get >/dev/null; then
    echo "Missing, under the names that Debian gives them:$missing$optional" >&2
    [ -z "$missing" ] && exit 0 || exit 1
fi
if [ "$(id -u)" -eq 0 ]; then
    root='env DEBIAN_FRONTEND=noninteractive'
elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -v; }; }; then
    root='sudo env DEBIAN_FRONTEND=noninteractive'
else
    echo "Packages are missing.  As root, type:" >&2
    echo "apt-get update && $install$missing$optional" >&2
    [ -z "$missing" ] && exit 0 || exit 1
fi

echo "installing:$missing$optional"
wait='-o DPkg::Lock::Timeout=120 -q'
# shellcheck disable=SC2086
$root apt-get $wait update || echo "setup.sh: trying with the old package lists" >&2
if [ -n "$missing" ]; then
    # shellcheck disable=SC2086
    $root $install $wait $missing || exit 1
fi
if [ -n "$optional" ]; then
    # shellcheck disable=SC2086
    $root $install $wait $optional || for package in $optional; do
        $root $install $wait "$package" || echo "setup.sh: no $package; going on without" >&2
    done
fi
