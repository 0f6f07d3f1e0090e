#!/usr/bin/env bash
# Fuzzes the parsers of foreign data (tests/fuzz) with clang's libFuzzer and the address and undefined-behaviour
# sanitizers. Prints a table; exit code 1 when anything was found.
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

usage() {
    cat <<'TEXT'
usage: launch/fuzz.sh [--jobs N] SECONDS [TARGET…]

  SECONDS   how long each target runs
  TARGET    config, recipe, table, …: tests/fuzz/fuzz_TARGET.c; none named: all
  --jobs N  targets side by side (2)

Folders: build/fuzz/grown/TARGET keeps inputs that reached new code, for the next time; build/fuzz/finds/TARGET has what
made a target fail in the last run, and build/fuzz/log/TARGET its messages. To see one again:
build/fuzz/tests/fuzz/fuzz_TARGET FILE
TEXT
}

jobs=2
if [ "${1:-}" = --jobs ] && [[ ${2:-} =~ ^[1-9][0-9]?$ ]]; then
    jobs=$2
    shift 2
fi
if ! [[ ${1:-} =~ ^[1-9][0-9]{0,6}$ ]]; then
    usage >&2
    case ${1:-} in -h | --help) exit 0 ;; *) exit 64 ;; esac
fi
seconds=$1
shift

tests=$source_folder/tests/fuzz
folder=$source_folder/build/fuzz
mapfile -t targets < <(cd "$tests" && printf '%s\n' *.dict | sed 's/\.dict$//')
if [ $# -gt 0 ]; then
    for target in "$@"; do
        if [ ! -e "$tests/$target.dict" ]; then
            printf 'fuzz.sh: no target %s; there are: %s\n' "$target" "${targets[*]}" >&2
            exit 64
        fi
    done
    targets=("$@")
fi

compiler=$(command -v clang-14 || command -v clang || true)
if [ -z "$compiler" ] || ! echo 'int LLVMFuzzerTestOneInput(void); int LLVMFuzzerTestOneInput(void) { return 0; }' |
    "$compiler" -fsanitize=fuzzer -x c - -o /dev/null 2>/dev/null; then
    printf 'skipped: no clang with libFuzzer; launch/deps.sh --tests installs both\n'
    exit 77
fi

say "building with $compiler"
mkdir -p "$folder"
CC=$compiler cmake -S "$source_folder" -B "$folder" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCRISOL_FUZZ=ON -DCRISOL_CUDA=OFF >"$folder/configure.log" 2>&1 || {
    cat "$folder/configure.log"
    exit 1
}
cmake --build "$folder" --parallel "$cores" --target "${targets[@]/#/fuzz_}"

# Bounds: an input of 64 KiB, 30 s (by the clock: the machine may be busy) and 1 GiB for one run, 256 MiB for one allocation (a size that nobody checked).
# shellcheck disable=SC2317 # xargs calls it
fuzz() {
    local target=$1
    mkdir -p "$folder/grown/$target" "$folder/finds/$target" "$folder/log"
    "$folder/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -max_len=65536 -timeout=30 \
        -report_slow_units=1000 -rss_limit_mb=1024 \
        -malloc_limit_mb=256 -print_final_stats=1 -dict="$tests/$target.dict" \
        -artifact_prefix="$folder/finds/$target/" "$folder/grown/$target" "$tests/corpus/$target" \
        >"$folder/log/$target" 2>&1 || echo "exit code $?" >>"$folder/log/$target"
}
export -f fuzz
export folder tests seconds
# a target that fails cannot clean up; its scratch files belong into memory
TMPDIR=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")" crisol-fuzz-XXXXXX)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
# freed memory is kept from reuse for a while, but not 256 MB of it
export ASAN_OPTIONS=quarantine_size_mb=16${ASAN_OPTIONS:+:$ASAN_OPTIONS}

say "fuzzing ${#targets[@]} targets for $seconds s each, $jobs at a time"
rm -rf "$folder/finds"
# shellcheck disable=SC2016 # $0 is for the inner shell
printf '%s\0' "${targets[@]}" | xargs -0 -n 1 -P "$jobs" bash -c 'fuzz "$0"'

statistic() { # LOG NAME: a number of libFuzzer's closing statistics; a run that ended early may lack them
    sed -n "s/^stat::$2: *//p" "$1" | tail -n 1 | grep . || sed -nE 's/^#([0-9]+).*/\1/p' "$1" | tail -n 1 | grep . || echo 0
}
total=0
failed=0
printf '\n%-12s %14s %10s %8s %6s\n' target executions "new inputs" "exec/s" finds
for target in "${targets[@]}"; do
    log=$folder/log/$target
    executions=$(statistic "$log" number_of_executed_units)
    found=$(find "$folder/finds/$target" -type f | wc -l)
    note=
    if [ "$found" -gt 0 ] || grep -q '^exit code' "$log"; then
        failed=1
        note="  $(grep -m 1 -E '^(SUMMARY|fuzz target:|.*runtime error:)' "$log" | cut -c 1-120 || true)"
    fi
    printf '%-12s %14d %10d %8d %6d%s\n' "$target" "$executions" "$(statistic "$log" new_units_added)" \
        $((executions / seconds)) "$found" "$note"
    total=$((total + executions))
done
printf '%-12s %14d\n' all "$total"
[ "$failed" -eq 0 ] || printf '\nfound: look into %s and %s\n' "$folder/finds" "$folder/log"
exit "$failed"
