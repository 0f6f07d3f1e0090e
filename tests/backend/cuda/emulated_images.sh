#!/usr/bin/env bash
# Trainings on the emulated device (CRISOL_EMULATED, the same program with that device) with images: those that it keeps give the bytes of
# those that travel with each batch, at any number of ranks that share it and after a stop; a damaged one gives the same line.
# Those that travel do so from the loader's own buffers, as late as the device may: had the loader read the next step's into one of them
# too early, the bytes would be others.
# shellcheck source=../../support/shell.sh
. "$(dirname "$0")/../../support/shell.sh"

emulated=${CRISOL_EMULATED:?}
rm -rf "${scratch:?}"/*
echo '{}' >"$scratch/empty.yaml"
# the backbone is frozen, for the emulated convolutions take seconds an image; the head learns from what it makes of the pixels
common=(--device cuda --share-device --quiet --set "data.pack=$2/synthetic-pack" --set data.batch=4 --set data.micro_batch=1
    --set data.limit_train=8 --set data.limit_val=2 --set train.epochs=1 --set cpu.eval_batch=1 --set model.freeze=layer4
    --set augment.hflip=0.5 --set augment.rotate=10)

train() { # NAME RANKS [MORE…]
    local name=$1 n=$2
    shift 2
    ranks "$n" "$emulated" train "$scratch/empty.yaml" --output "$scratch/$name" "${common[@]}" "$@"
}

check() { # NAME SPLITS [SENT]: it kept their images, and ended as the one that kept none
    local run=$scratch/$1 sent=${3:-sent}
    grep -q "\"kept_images\": \"$2\"" "$run/record.json" || fail "$1: its record does not say that the device kept $2"
    sha256sum <"$(last_weights "$run")" >"$run.sums"
    cut -d , -f 1-7 "$run/metrics.csv" >>"$run.sums"
    diff "$scratch/$sent.sums" "$run.sums" || fail "$1 differs from the images that travel"
    echo "ok: $1: the same bytes"
}

train sent 1 --set device.resident=off
check sent none
train kept-1 1 # auto: they fit
for n in 2 4; do
    train "kept-$n" "$n" --set device.resident=on
done
code=0
train kept-3 3 --set train.stop_after_steps=1 2>/dev/null || code=$?
[ "$code" = 75 ] || fail "stopping gave exit code $code instead of 75"
train kept-3 3
for n in 1 2 3 4; do
    check "kept-$n" 'train, val'
done

# more steps than the loader has buffers
steps=(--set data.batch=1 --set data.limit_train=4 --set data.limit_val=1)
train sent-steps 1 "${steps[@]}" --set device.resident=off
check sent-steps none sent-steps
train kept-steps 1 "${steps[@]}"
check kept-steps 'train, val' sent-steps

# whichever sample is chosen is damaged: all 128 images, which begin at byte 4096 (the manifest's offset)
cp -r "$2/synthetic-pack" "$scratch/damaged"
dd if=/dev/zero of="$scratch/damaged/train-00000-of-00001.h5" bs=4096 seek=1 count=4704 conv=notrunc 2>/dev/null
for way in off on; do
    expect_code 65 "reading sample '.*' of split train: .*" "$emulated" train "$scratch/empty.yaml" --output "$scratch/damaged-$way" "${common[@]}" \
        --set "data.pack=$scratch/damaged" --set data.batch=1 --set data.limit_train=1 --set device.resident=$way
    grep '^error: ' "$scratch/err.txt" >"$scratch/damaged-$way.txt"
done
diff "$scratch/damaged-off.txt" "$scratch/damaged-on.txt" || fail "the way to the device tells a damaged sample otherwise than the loader"
