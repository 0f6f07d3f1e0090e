#!/usr/bin/env bash
# The same training at 1, 2, 3 and 4 ranks, with 1 and 2 workers a rank, ends in byte-identical weights and evaluation files.
# shellcheck source=../../support/shell.sh
. "$(dirname "$0")/../../support/shell.sh"

packs=$2
pack=$packs/synthetic-pack
columns='[size_mm, material]'
if [ -e "$packs/odir5k-pack/manifest.json" ]; then
    pack=$packs/odir5k-pack
    columns='[age, sex]'
fi
echo "pack: $pack"

# 4 micro-batches a step, 2 steps an epoch, 2 epochs; dropout, flips, class weights and smoothing all take part
common=(--set "data.pack=$pack" --set "model.metadata.columns=$columns" --set data.batch=16 --set data.micro_batch=4
    --set data.limit_train=32 --set data.limit_val=13 --set data.limit_test=9 --set augment.hflip=0.5
    --set loss.label_smoothing=0.05 --set train.epochs=2 --set cpu.eval_batch=4 --set optimizer.lr=1e-3)
echo '{}' >"$scratch/empty.yaml"

fingerprint() { # of the last weights and of the evaluation files
    (cd "$1" && sha256sum checkpoints/*.safetensors eval-test/* | sort -k 2)
}

run() { # NAME PRECISION RANKS WORKERS
    rm -rf "${scratch:?}/$1"
    ranks "$3" "$crisol" train "$config" --output "$scratch/$1" --quiet "${common[@]}" \
        --set "train.precision=$2" --set "cpu.workers=$4"
    ranks "$3" "$crisol" eval "$scratch/$1" --quiet
    fingerprint "$scratch/$1" >"$scratch/$1.sums"
}

same_at() { # NAME PRECISION SHAPE…: ranks x workers
    local name=$1 precision=$2 shape
    shift 2
    run "$name-1x1" "$precision" 1 1
    for shape in "$@"; do
        run "$name-$shape" "$precision" "${shape%x*}" "${shape#*x}"
        diff "$scratch/$name-1x1.sums" "$scratch/$name-$shape.sums" ||
            fail "$name at ${shape%x*} ranks x ${shape#*x} workers differs from 1 x 1"
        echo "ok: $name, ${shape%x*} ranks x ${shape#*x} workers: the same bytes as 1 x 1"
    done
    cat "$scratch/$name-1x1.sums"
}

for precision in f32 bf16; do
    if [ "$precision" = bf16 ] && ! grep -q avx512_bf16 /proc/cpuinfo; then
        echo "skipped: bf16, which this machine's cores have no instructions for"
        continue
    fi
    config=$scratch/empty.yaml
    same_at "$precision" "$precision" 1x2 2x1 2x2 3x1 4x1
done

# every augmentation, mixing, sampler, clipping, averaging, freezing, on the pack whose every class is among few samples
config=$(dirname "$0")/everything.yaml
common+=(--set "data.pack=$packs/synthetic-pack" --set 'model.metadata.columns=[]')
same_at everything f32 2x2 3x1 4x1
