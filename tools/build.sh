#!/bin/sh
# SPDX-License-Identifier: MIT
#
# build.sh DIR [OPTION...] - configures the build folder DIR with meson's OPTIONs
# where that is not done, and builds it.  Says little unless it fails.  Other options
# than last time configure the folder again; another compiler makes it anew.
set -eu

cd "$(dirname "$0")/.."
dir=$1
shift
if [ "${CI:-}" = true ]; then
    set -- "$@" -Dwerror=true
else
    set -- "$@" -Dwerror=false
fi
compilers="${CC:-} ${CXX:-}"
options=$*

quietly() {
    mkdir -p build
    if ! "$@" >"$log" 2>&1; then
        grep -v '^\[[0-9]*/[0-9]*\]' "$log"
        rm -f "$log"
        echo "$dir: failed: $*" >&2
        exit 1
    fi
}

mkdir -p build
log=$(mktemp build/log.XXXXXX)
if [ ! -f "$dir/build.ninja" ]; then
    quietly meson setup "$dir" "$@"
elif [ "$(cat "$dir/.compilers" 2>/dev/null)" != "$compilers" ]; then
    # Not --wipe: other build folders may lie in this one.
    rm -rf "$dir/meson-private" "$dir/meson-info" "$dir/build.ninja"
    quietly meson setup "$dir" "$@"
elif [ "$(cat "$dir/.options" 2>/dev/null)" != "$options" ]; then
    quietly meson configure "$dir" "$@"
fi
echo "$compilers" >"$dir/.compilers"
echo "$options" >"$dir/.options"
if [ -t 1 ]; then
    rm -f "$log"
    exec ninja -C "$dir"
fi
quietly ninja -C "$dir"
grep -A 4 'warning: ' "$log" || true
rm -f "$log"
