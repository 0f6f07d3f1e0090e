#!/usr/bin/env bash
# Crisol against PyTorch on the same cores, in turns, and the ratio of the medians:
#   CRISOL_PYTHON=python3 tests/bench/train_compare.sh BUILD [--rounds 3] [--pack PACK] [--only PATTERN]
# BUILD is a build folder with the tests (device_bench). Compute alone: ResNet-18 + metadata, batch 32, random pixels in
# memory, training and evaluation in f32 and bf16. With --pack, the whole job as well: `crisol train` (two ranks: reading,
# flipping, gradient exchange) against PyTorch with a DataLoader over h5py. --only: names that match, as in 'train f32'.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
usage() {
    sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
    exit 64
}
[ $# -ge 1 ] || usage
build=$(cd "$1" && pwd)
shift
rounds=3 pack='' only=.
while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || usage
    case $1 in
        --rounds) rounds=$2 ;;
        --pack) pack=$(cd "$2" && pwd) ;;
        --only) only=$2 ;;
        *) usage ;;
    esac
    shift 2
done
python=${CRISOL_PYTHON:-python3}
cores=$(nproc)
bench=$build/tests/gpu/device/device_bench
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [ "$(id -u)" -eq 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
[ -x "$bench" ] || { printf 'no %s: build it first\n' "$bench" >&2; exit 66; }
"$python" -c 'import torch, torchvision' || { printf 'no torch in %s; set CRISOL_PYTHON\n' "$python" >&2; exit 66; }

# Each prints "images/s peak-MB".
crisol_step() {
    "$bench" "$1" --device cpu --precision "$2" --batch 32 --micro-batch 8 --workers "$cores" --steps 6 --warmup 1 |
        sed -n 's/.*"images_per_s_median": \([0-9.]*\).*"peak_mb": \([0-9]*\).*/\1 \2/p'
}
torch_step() {
    "$python" "$here/torch_peer.py" --mode "$1" --precision "$2" --threads "$cores" "${@:3}" |
        sed -n "s/.*\"$1_images_s\": \([0-9.]*\).*\"peak_mb\": \([0-9.]*\).*/\1 \2/p"
}
# The second epoch: the first one compiles the programs and warms the page cache. Memory is not measured here.
crisol_job() {
    rm -rf "$scratch/run"
    printf 'data: {batch: 32, micro_batch: 8, limit_train: 384, limit_val: 8}\naugment: {hflip: 0.5}\n' >"$scratch/job.yaml"
    printf 'train: {epochs: 2, precision: %s}\n' "$1" >>"$scratch/job.yaml"
    mpirun --oversubscribe --bind-to none -n 2 "$build/crisol" train "$scratch/job.yaml" --output "$scratch/run" \
        --set "data.pack=$pack" --quiet >"$scratch/job.log" 2>&1 || { cat "$scratch/job.log" >&2; return 1; }
    sed -n 's/.*"event": "epoch".*"images_s": \([0-9.]*\).*/\1 0/p' "$scratch/run/journal.jsonl" | tail -n 1
}

median() {
    sort -n | awk '{ v[NR] = $1 } END { if (!NR) exit 1; print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# compare NAME OURS THEIRS: command lines, run in turns
compare() {
    local name=$1 round ours theirs
    [[ $name =~ $only ]] || return 0
    : >"$scratch/ours"
    : >"$scratch/theirs"
    for ((round = 0; round < rounds; round++)); do
        eval "$2" >>"$scratch/ours"
        eval "$3" >>"$scratch/theirs"
    done
    ours=$(cut -d' ' -f1 "$scratch/ours" | median)
    theirs=$(cut -d' ' -f1 "$scratch/theirs" | median)
    awk -v name="$name" -v a="$ours" -v b="$theirs" \
        -v p="$(cut -d' ' -f2 "$scratch/ours" | median)" -v q="$(cut -d' ' -f2 "$scratch/theirs" | median)" 'BEGIN {
        printf "%-14s crisol %7.1f images/s  torch %7.1f  ratio %5.2f", name, a, b, a / b
        if (p > 0) printf "   peak %5.0f MB, torch %5.0f, ratio %.2f", p, q, p / q
        print "" }'
}

"$build/crisol" --version 2>/dev/null | sed -n 's/^libraries: //p'
"$python" -c 'import torch; print("torch", torch.__version__)'
printf '%s cores, %s rounds each, medians\n' "$cores" "$rounds"
for mode in train eval; do
    for precision in f32 bf16; do
        compare "$mode $precision" "crisol_step $mode $precision" "torch_step $mode $precision"
    done
done
if [ -n "$pack" ]; then
    for precision in f32 bf16; do
        compare "job $precision" "crisol_job $precision" "torch_step train $precision --pack '$pack' --steps 12"
    done
fi
