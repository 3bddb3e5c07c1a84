#!/bin/sh
# SPDX-License-Identifier: MIT
#
# check.sh DIR - runs the examples in DIR and reads what they print: results on
# standard output, with SKS_LOG set structured records on standard error, and
# nothing there without it.
set -u

dir=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
out=$work/out
err=$work/err
passed=0
failed=0
skipped=0

pass() {
    echo "[       OK ] $1"
    passed=$((passed + 1))
}

fail() {
    echo "[  FAILED  ] $1: $2"
    echo '--- standard output'
    cat "$out"
    echo '--- standard error'
    cat "$err"
    failed=$((failed + 1))
}

# run LOG NAME [ARG...]: into $out and $err, with SKS_LOG=LOG.  The exit status is the
# example's, 124 when it took 20 seconds.
run() {
    log=$1
    name=$2
    shift 2
    NO_COLOR=1 SKS_LOG_FORMAT='' SKS_LOG=$log timeout 20 "$dir/$name" "$@" >"$out" 2>"$err"
}

# check TEST NAME LOG FUNCTION: runs the example, then FUNCTION, which prints what is
# wrong.
check() {
    if [ ! -x "$dir/$2" ]; then
        echo "[  SKIPPED ] $1: $2 is not built"
        skipped=$((skipped + 1))
        return
    fi
    run "$3" "$2"
    status=$?
    wrong=$([ $status -eq 0 ] && "$4")
    if [ $status -ne 0 ]; then
        fail "$1" "exit status $status"
    elif [ -n "$wrong" ]; then
        fail "$1" "$wrong"
    else
        pass "$1"
    fi
}

# The number after a word and = or : in the last line that has it.
number() {
    sed -n "s/.*$1 *[=:] *\([0-9][0-9]*\).*/\1/p" "$out" | tail -n 1
}

basic_prints_in_order() {
    hello=$(grep -n 'Hello' "$out" | head -n 1 | cut -d: -f1)
    world=$(grep -n 'World' "$out" | head -n 1 | cut -d: -f1)
    end=$(grep -n -i 'end of stream' "$out" | tail -n 1 | cut -d: -f1)
    [ -n "$hello" ] && [ -n "$world" ] && [ -n "$end" ] || { echo 'a line is missing'; return; }
    [ "$hello" -lt "$world" ] && [ "$world" -lt "$end" ] || echo 'the order is wrong'
}

pipeline_prints_sum() {
    grep -q 'final sum = 30' "$out" || echo 'no "final sum = 30"'
}

# Stage 2 doubles 1, 2, ... count.
shutdown_sum_fits_count() {
    count=$(number count)
    sum=$(number sum)
    [ -n "$count" ] && [ -n "$sum" ] || { echo 'no count or no sum'; return; }
    [ "$count" -gt 0 ] || { echo 'nothing was processed'; return; }
    [ "$sum" -eq $((count * (count + 1))) ] || echo "sum $sum is not $count * ($count + 1)"
}

is_silent() {
    [ ! -s "$err" ] || echo 'there is something on standard error'
}

# Each stage logs, records look like records, and none is on standard output.
logs_every_stage() {
    record='^[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\.[0-9]\{6\} [A-Z]\{4,5\} *'
    for stage in "$@"; do
        grep -q "$record.*$stage" "$err" || echo "no record of $stage"
    done
    ! grep -q -v "$record" "$err" || echo 'a line on standard error is no record'
    ! grep -q "$record" "$out" || echo 'a record is on standard output'
}

logs_backpressure() {
    grep -q 'Stage1 channel full' "$err" || echo 'no record of a full channel'
}

logs_three_stages() {
    logs_every_stage Stage1 Stage2 Stage3
}

logs_sender() {
    logs_every_stage Sender
}

check basic_usage_prints_in_order basic_usage '' basic_prints_in_order
check basic_usage_is_silent_without_SKS_LOG basic_usage '' is_silent
check basic_usage_logs_its_sender basic_usage info logs_sender
check multi_stage_pipeline_prints_sum multi_stage_pipeline '' pipeline_prints_sum
check multi_stage_pipeline_is_silent_without_SKS_LOG multi_stage_pipeline '' is_silent
check multi_stage_pipeline_logs_every_stage multi_stage_pipeline info logs_three_stages
check multi_stage_pipeline_logs_backpressure multi_stage_pipeline info logs_backpressure
check graceful_shutdown_sum_fits_count graceful_shutdown '' shutdown_sum_fits_count
check graceful_shutdown_is_silent_without_SKS_LOG graceful_shutdown '' is_silent
check graceful_shutdown_logs_every_stage graceful_shutdown info logs_three_stages

echo "examples: $passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
