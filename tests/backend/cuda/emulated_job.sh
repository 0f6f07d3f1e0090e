#!/usr/bin/env bash
# Whole trainings with the CUDA backend on the emulated device (CRISOL_EMULATED, the same program with that device): the same bytes at any
# number of ranks that share it, after a stop, and near the CPU's figures; a checkpoint goes on from one to the other.
# shellcheck source=../../support/shell.sh
. "$(dirname "$0")/../../support/shell.sh"

emulated=${CRISOL_EMULATED:?}
rm -rf "${scratch:?}"/*
echo '{}' >"$scratch/empty.yaml"
common=(--set "data.pack=$2/synthetic-pack" --set model.inputs=metadata --set data.batch=16 --set data.micro_batch=4
    --set data.limit_train=48 --set data.limit_val=8 --set data.limit_test=8 --set train.epochs=2 --set cpu.eval_batch=4
    --set loss.label_smoothing=0.05 --set optimizer.clip=1 --set optimizer.lr=1e-3 --set train.ema=0.9 --set augment.mixup=0.2)

train() { # NAME PROGRAM RANKS [MORE…]
    local name=$1 program=$2 n=$3
    shift 3
    ranks "$n" "$program" train "$scratch/empty.yaml" --output "$scratch/$name" --quiet "${common[@]}" "$@"
}

on_device() { # NAME RANKS [MORE…]
    local name=$1 n=$2
    shift 2
    train "$name" "$emulated" "$n" --device cuda --share-device "$@"
}

sums() { # of the last checkpoint, the epochs' figures, the evaluation
    (cd "$scratch/$1" && sha256sum "$(printf "%s\n" checkpoints/*.safetensors | sort -V | tail -n 1)" eval-test/* && cut -d , -f 1-7 metrics.csv)
}

same() { # NAME: like one rank
    ranks 1 "$emulated" eval "$scratch/$1" --device cuda --quiet
    sums "$1" >"$scratch/$1.sums"
    diff "$scratch/one.sums" "$scratch/$1.sums" || fail "$1 differs from one rank"
    echo "ok: $1: the same bytes"
}

on_device one 1
ranks 1 "$emulated" eval "$scratch/one" --device cuda --quiet
sums one >"$scratch/one.sums"
for n in 2 3 4; do
    on_device "ranks-$n" "$n"
    same "ranks-$n"
done

code=0
on_device stopped 2 --set train.stop_after_steps=2 2>/dev/null || code=$?
[ "$code" = 75 ] || fail "stopping gave exit code $code instead of 75"
on_device stopped 1
same stopped

# against the CPU: the same order of samples, other roundings
train cpu "$crisol" 1 --device cpu
worst=$(paste -d , "$scratch/cpu/metrics.csv" "$scratch/one/metrics.csv" | awk -F , '
    NR == 1 { for (i = 1; i <= NF; i++) if ($i == "train/loss") column[++n] = i; next }
    { a = $column[1]; b = $column[2]; gap = (a > b ? a - b : b - a) / a; if (gap > worst) worst = gap }
    END { if (n != 2 || NR < 3) print "none"; else printf "%.3e", worst }')
echo "training loss, device against CPU: relative difference $worst, allowed 1e-5"
awk -v worst="$worst" 'BEGIN { exit !(worst != "none" && worst + 0 < 1e-5) }' || fail "the device trains otherwise than the CPU"

code=0
train moved "$crisol" 1 --device cpu --set train.stop_after_steps=2 2>/dev/null || code=$?
[ "$code" = 75 ] || fail "stopping gave exit code $code instead of 75"
on_device moved 2
code=0
on_device back 1 --set train.stop_after_steps=4 2>/dev/null || code=$?
[ "$code" = 75 ] || fail "stopping gave exit code $code instead of 75"
train back "$crisol" 2 --device cpu
echo "ok: a checkpoint goes on from the CPU to the device and back"
