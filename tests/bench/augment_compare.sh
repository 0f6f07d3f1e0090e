#!/usr/bin/env bash
# A config's augmentation by Crisol against torchvision behind a DataLoader, on the same cores, in turns; the ratios of
# each pair and their medians, by the clock and, for a machine that has other work, in CPU time:
#   CRISOL_PYTHON=python3 tests/bench/augment_compare.sh BUILD CONFIG.yaml [ROUNDS] [WORKERS]
# BUILD is a build folder with the tests (augment_bench). The Python needs torch, torchvision and PyYAML.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
if [ $# -lt 2 ] || [ $# -gt 4 ]; then
    sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
    exit 64
fi
bench=$1/tests/bench/augment/augment_bench config=$2 rounds=${3:-3} workers=${4:-$(nproc)}
python=${CRISOL_PYTHON:-python3}
[ -x "$bench" ] || { printf 'no %s: build it first\n' "$bench" >&2; exit 66; }
"$python" -c 'import torch, torchvision, yaml' || { printf 'no torch in %s; set CRISOL_PYTHON\n' "$python" >&2; exit 66; }

# "images/s cpu-ms" of a JSON line
figures() {
    sed -n 's/.*"images_s": \([0-9.]*\), "cpu_ms": \([0-9.]*\).*/\1 \2/p'
}
median() {
    sort -n | awk '{ v[NR] = $1 } END { printf "%.1f", NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for ((round = 0; round < rounds; round++)); do
    read -r rate cpu < <("$bench" "$config" --workers "$workers" | figures)
    read -r peer_rate peer_cpu < <("$python" "$here/augment_peer.py" "$config" --workers "$workers" | figures)
    awk -v a="$rate" -v b="$peer_rate" -v c="$cpu" -v d="$peer_cpu" 'BEGIN {
        printf "crisol %.1f images/s, %.3f ms of CPU an image; DataLoader %.1f, %.3f; ratios %.1f %.1f\n", a, c, b, d, a / b, d / c }'
done | tee "$scratch/rounds"
printf 'median ratio: %s by the clock, %s in CPU time\n' "$(sed 's/.*ratios //; s/ .*//' "$scratch/rounds" | median)" \
    "$(sed 's/.*ratios [^ ]* //' "$scratch/rounds" | median)"
