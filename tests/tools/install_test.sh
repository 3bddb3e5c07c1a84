#!/bin/sh
# SPDX-License-Identifier: MIT
#
# install_test.sh BUILD CC - what `make install` puts down is enough to build a
# program, and the shared library exports what the public headers declare, no more.
set -u

build=$1
cc=$2
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

check() {
    name=$1
    shift
    if "$@" >"$work/said" 2>&1; then
        echo "[       OK ] $name"
        passed=$((passed + 1))
    else
        echo "[  FAILED  ] $name"
        cat "$work/said"
        failed=$((failed + 1))
    fi
}

installs() {
    DESTDIR=$work/root meson install -C "$build" --no-rebuild
}

# The folder of the .pc file depends on the distribution.
program_builds_with_pkg_config() {
    pc=$(find "$work/root" -name sockstream.pc)
    flags=$(PKG_CONFIG_SYSROOT_DIR=$work/root PKG_CONFIG_PATH=$(dirname "$pc") \
        pkg-config --cflags --libs sockstream) || return 1
    cat >"$work/program.c" <<'END'
#include <sockstream/sockstream.h>

int main(void)
{
    return sks_log_from_env();
}
END
    # shellcheck disable=SC2086
    "$cc" -std=c11 -Wall -Wextra -Werror -o "$work/program" "$work/program.c" $flags || return 1
    lib=$(dirname "$(find "$work/root" -name libsockstream.so)")
    SKS_LOG=info LD_LIBRARY_PATH=$lib "$work/program"
}

exported() {
    lib=$(find "$work/root" -name libsockstream.so)
    nm -D --defined-only "$lib" | sed 's/.* //; s/@.*//' | sort
}

declared() {
    "$cc" -E -P -I "$top/include" "-DSKS_API=PUBLIC_" -x c "$top/include/sockstream/sockstream.h" |
        tr '\n' ' ' | sed 's/PUBLIC_/\n&/g' |
        sed -n 's/^PUBLIC_ [^(]*[ *]\(sks_[a-z0-9_]*\) *(.*/\1/p' | sort
}

exports_are_declarations() {
    exported >"$work/exported"
    declared >"$work/declared"
    [ -s "$work/declared" ] && diff "$work/declared" "$work/exported"
}

check install_works installs
check program_builds_with_pkg_config program_builds_with_pkg_config
check shared_library_exports_what_is_declared exports_are_declarations
echo "install: $passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
