#!/usr/bin/env bash
# Packs ODIR-5K with Crisol and with a Pillow + h5py script on the same cores, in turns, and prints the ratio of the medians:
#   tests/bench/pack_compare.sh [ROUNDS] [ODIR_FOLDER] [SCRATCH_FOLDER]
# CRISOL_BINARY names the program (default: build/release/crisol), CRISOL_PYTHON an interpreter with Pillow and h5py.
# Both bring their files to the disk before they end; with CRISOL_BENCH_SYNC=0 the script does not and Crisol still does.
# Best on a scratch folder in memory (/dev/shm), where the disk has no part in it. Files are read once before, so both read
# from memory. Wall time is the processes' own, from start to end, interpreter start included.
set -euo pipefail

here=$(cd "$(dirname "$0")/../.." && pwd)
rounds=${1:-5}
odir=${2:-${CRISOL_DATA_DIR:-$here/../shared/data}/odir5k}
scratch=${3:-${TMPDIR:-/tmp}}/crisol-pack-bench-$$
crisol=${CRISOL_BINARY:-$here/build/release/crisol}
python=${CRISOL_PYTHON:-python3}

[ -f "$odir/full_df.csv" ] || { printf 'skipped: no %s/full_df.csv\n' "$odir"; exit 77; }
"$python" -c 'import h5py, PIL' 2>/dev/null || { printf 'skipped: %s has no h5py and Pillow (set CRISOL_PYTHON)\n' "$python"; exit 77; }
sync_option=(--sync)
[ "${CRISOL_BENCH_SYNC:-1}" = 1 ] || sync_option=()

mkdir -p "$scratch"
trap 'rm -rf "$scratch"' EXIT
TIMEFORMAT=%R
# wall seconds of a command, its output away
seconds() { { time "$@" >/dev/null 2>&1; } 2>&1; }
median() { printf '%s\n' "$@" | sort -n | awk '{v[NR] = $1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }

cat "$odir"/preprocessed_images/* >/dev/null
ours=() theirs=()
for ((i = 1; i <= rounds; i++)); do
    rm -rf "$scratch/peer" "$scratch/crisol"
    ours+=("$(seconds "$crisol" pack "$here/datasets/odir5k.yaml" --root "$odir" --output "$scratch/crisol" --quiet)")
    theirs+=("$(seconds "$python" "$here/tests/bench/pack_peer.py" "$odir" "$scratch/peer" "${sync_option[@]}")")
    printf 'round %d: crisol %s s, Pillow + h5py %s s\n' "$i" "${ours[-1]}" "${theirs[-1]}"
done
"$crisol" verify "$scratch/crisol" --quiet
a=$(median "${ours[@]}") b=$(median "${theirs[@]}")
awk -v a="$a" -v b="$b" 'BEGIN {printf "median: crisol %.2f s, Pillow + h5py %.2f s: %.2f times as fast (goal 3)\n", a, b, b / a}'
