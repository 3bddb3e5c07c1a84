#!/bin/sh
# SPDX-License-Identifier: MIT
# demo.sh - the main job on real input: tar of this machine's documentation and
# headers, compressed by build/examples/sks-gzip, checked with gzip and cmp, and
# timed against pigz on the same input.  Called by `make run`.
set -eu
build=${1:-build}
work=$build/demo
gz=$build/examples/sks-gzip
threads=$(nproc)
least=104857600 # bytes of input worth compressing

mkdir -p "$work"
say() { printf '\n== %s\n' "$*"; }

say "input: a tar of real files of this machine"
: >"$work/in.tar"
set --
for dir in /usr/share/doc /usr/include /usr/share/man /usr/share/perl /usr/lib/python3 \
    /usr/lib/gcc; do
    [ -d "$dir" ] || continue
    set -- "$@" "$dir"
done
# A minimal machine has little documentation: more folders until it is 100 MB.
dirs=
for dir in "$@"; do
    dirs="$dirs $dir"
    # shellcheck disable=SC2086
    tar -cf "$work/in.tar" -P $dirs 2>/dev/null || [ -s "$work/in.tar" ]
    [ "$(wc -c <"$work/in.tar")" -lt $least ] || break
done
printf '%s bytes from%s\n' "$(wc -c <"$work/in.tar")" "$dirs"

say "sks-gzip -p $threads -6, with the live display"
rm -f "$work/out.gz"
"$gz" -p "$threads" -6 --progress --receipt -o "$work/out.gz" "$work/in.tar"

say "is it the same? (gzip -t, then zcat | cmp)"
gzip -t "$work/out.gz"
zcat "$work/out.gz" | cmp - "$work/in.tar"
echo "yes, byte for byte"

say "the same input through pigz -p $threads -6, in turn, 3 rounds each"
seconds() {
    begin=$(date +%s%N)
    "$@" <"$work/in.tar" >"$work/timed.gz"
    end=$(date +%s%N)
    echo $(((end - begin) / 1000000))
}
: >"$work/times"
for round in 1 2 3; do
    ours=$(seconds "$gz" -p "$threads" -6 --quiet)
    our_size=$(wc -c <"$work/timed.gz")
    pigz=$(seconds pigz -p "$threads" -6 -c)
    pigz_size=$(wc -c <"$work/timed.gz")
    echo "$ours $pigz" >>"$work/times"
    printf 'round %s: sks-gzip %s ms, pigz %s ms\n' "$round" "$ours" "$pigz"
done
awk '{ print $1 / $2 }' "$work/times" | sort -n | awk -v o="$our_size" -v p="$pigz_size" '
    { r[NR] = $1 }
    END { m = r[int((NR + 1) / 2)]
          printf "sks-gzip / pigz: %.2f of the time (median), %.3f of the size\n", m, o / p }'
rm -f "$work/timed.gz"
