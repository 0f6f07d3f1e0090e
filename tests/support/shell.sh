# shellcheck shell=bash disable=SC2034
# Shared by the shell tests: sourced, never run. CTest gives CRISOL_BINARY, CRISOL_SOURCE and the test's scratch folder as $1.
set -euo pipefail

crisol=${CRISOL_BINARY:?}
source_folder=${CRISOL_SOURCE:?}
data_folder=${CRISOL_DATA_DIR:-$source_folder/../shared/data}
scratch=${1:?usage: TEST SCRATCH_FOLDER}
mkdir -p "$scratch"

fail() {
    printf 'FAILED: %s\n' "$*"
    exit 1
}

skip() {
    printf 'skipped: %s\n' "$*"
    exit 77
}

# last_weights RUN: the file of the newest checkpoint's tensors. A step that was written twice has another file name:
# only the JSON knows which.
last_weights() {
    local json
    json=$(printf '%s\n' "$1"/checkpoints/step-*.json | sort -V | tail -n 1)
    echo "$1/checkpoints/$(sed -n 's/.*"file": *"\(step-[0-9a-z-]*\.safetensors\)".*/\1/p' "$json")"
}

# ranks N COMMAND…: under mpirun, also for one rank. Several workers of a rank must not be pinned to one core.
ranks() {
    local n=$1
    shift
    mpirun --oversubscribe --bind-to none -n "$n" "$@"
}

# expect_code CODE PATTERN COMMAND…: the exit code, within 60 s, and one line of standard error that matches.
expect_code() {
    local code=$1 pattern=$2 got=0
    shift 2
    timeout 60 "$@" >"$scratch/out.txt" 2>"$scratch/err.txt" || got=$?
    if [ "$got" != "$code" ]; then
        cat "$scratch/out.txt" "$scratch/err.txt"
        fail "exit code $got instead of $code: $*"
    fi
    if ! grep -Eq -- "$pattern" "$scratch/err.txt"; then
        cat "$scratch/err.txt"
        fail "standard error has no line like '$pattern': $*"
    fi
    printf 'ok %s: %s\n' "$code" "$(grep -E -m 1 -- "$pattern" "$scratch/err.txt")"
}
