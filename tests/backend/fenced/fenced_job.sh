#!/usr/bin/env bash
# Nothing of a training may know which backend runs: on a device whose arrays cannot be touched (CRISOL_FENCED, the same program with that
# backend) training, evaluation, stop and resume give the bytes of the CPU, at any number of ranks; and a checkpoint goes on from one to the other.
# shellcheck source=../../support/shell.sh
. "$(dirname "$0")/../../support/shell.sh"

pack=$2/synthetic-pack
fenced=${CRISOL_FENCED:?}
echo '{}' >"$scratch/empty.yaml"
common=(--set "data.pack=$pack" --set data.batch=16 --set data.micro_batch=4 --set data.limit_train=48 --set data.limit_val=8
    --set data.limit_test=8 --set train.epochs=2 --set cpu.eval_batch=4 --set augment.hflip=0.5 --set loss.label_smoothing=0.05
    --set optimizer.clip=1 --set optimizer.lr=1e-3 --set train.ema=0.9 --set cpu.workers=1)

train() { # NAME PROGRAM RANKS [MORE…]
    local name=$1 program=$2 n=$3
    shift 3
    ranks "$n" "$program" train "$scratch/empty.yaml" --output "$scratch/$name" --quiet "${common[@]}" "${kind[@]}" "$@"
}

sums() { # of the last checkpoint, the epochs' figures, the evaluation
    (cd "$scratch/$1" && sha256sum "$(printf "%s\n" checkpoints/*.safetensors | sort -V | tail -n 1)" eval-test/* && cut -d , -f 1-7 metrics.csv)
}

same() { # NAME: like cpu
    sums "$1" >"$scratch/$1.sums"
    diff "$scratch/cpu.sums" "$scratch/$1.sums" || fail "$1 differs from the CPU"
    echo "ok: ${kind[*]}, $1: the same bytes"
}

stopped_after() { # STEPS NAME PROGRAM RANKS
    local code=0
    train "$2" "$3" "$4" --set "train.stop_after_steps=$1" 2>/dev/null || code=$?
    [ "$code" = 75 ] || fail "$2: stopping after step $1 gave exit code $code instead of 75"
}

compare() { # RANKS…
    local n
    rm -rf "${scratch:?}"/*/
    train cpu "$crisol" 1
    ranks 1 "$crisol" eval "$scratch/cpu" --quiet
    sums cpu >"$scratch/cpu.sums"
    for n in "$@"; do
        train "fenced-$n" "$fenced" "$n"
        ranks "$n" "$fenced" eval "$scratch/fenced-$n" --quiet
        same "fenced-$n"
    done
}

kind=(--set model.inputs=metadata --set optimizer.name=sgd)
compare 1 2 3 4
stopped_after 2 device-to-cpu "$fenced" 3
train device-to-cpu "$crisol" 2
ranks 1 "$crisol" eval "$scratch/device-to-cpu" --quiet
same device-to-cpu
stopped_after 4 cpu-to-device "$crisol" 1
train cpu-to-device "$fenced" 2
ranks 2 "$fenced" eval "$scratch/cpu-to-device" --quiet
same cpu-to-device

kind=(--set data.batch=8 --set data.micro_batch=2 --set data.limit_train=8 --set train.epochs=1 --set data.limit_val=2 --set data.limit_test=2)
compare 2

# the fence is one: a program that reads behind it ends at once
if "$CRISOL_FENCE_CHECK" >/dev/null 2>&1; then
    fail "an array behind the fence can be read"
fi
echo "ok: an array behind the fence cannot be read"
