#!/usr/bin/env bash
# The same program starts where there is no GPU, no driver, no cuDNN and no NCCL, and says in one line what is missing when a GPU is wanted,
# or nearly there.
# shellcheck source=../../support/shell.sh
. "$(dirname "$0")/../../support/shell.sh"

if ldd "$crisol" | grep -E 'libcuda|libcudnn|libcublas|libnccl'; then
    fail "the program asks for GPU libraries before it starts"
fi
echo "ok: no GPU library is needed to start"
if [ -e /dev/nvidiactl ]; then
    skip "the rest: this machine has a GPU"
fi

rm -rf "${scratch:?}"/*
echo '{}' >"$scratch/empty.yaml"
common=(--set "data.pack=$2/synthetic-pack" --set model.inputs=metadata --set train.epochs=1 --set data.limit_val=8)
train=("$crisol" train "$scratch/empty.yaml")

expect_code 66 'device.name is cuda, but' "${train[@]}" --output "$scratch/cuda" "${common[@]}" --device cuda
expect_code 78 'must be auto, cpu or cuda' "${train[@]}" --output "$scratch/other" "${common[@]}" --device tpu
"${train[@]}" --output "$scratch/cpu" "${common[@]}" --device cpu 2>"$scratch/cpu.txt"
"${train[@]}" --output "$scratch/auto" "${common[@]}" 2>"$scratch/auto.txt"
if grep -i gpu "$scratch/cpu.txt" "$scratch/auto.txt"; then
    fail "a machine without a GPU hears of it"
fi
cmp "$scratch"/cpu/checkpoints/*.safetensors "$scratch"/auto/checkpoints/*.safetensors || fail "auto is not the CPU here"
expect_code 66 'device.name is cuda, but' "$crisol" eval "$scratch/cpu" --device cuda --quiet
"$crisol" eval "$scratch/cpu" --device cpu --quiet

if ! "$crisol" train "$scratch/empty.yaml" --output "$scratch/with" "${common[@]}" --device cuda 2>&1 | grep -q 'without CUDA'; then
    mkdir "$scratch/driver" # one that is none: the machine has half of what it takes
    echo 'int nothing;' >"$scratch/nothing.c"
    cc -shared -o "$scratch/driver/libcuda.so.1" "$scratch/nothing.c"
    LD_LIBRARY_PATH=$scratch/driver "${train[@]}" --output "$scratch/half" "${common[@]}" 2>"$scratch/half.txt"
    [ "$(grep -c 'computing on the CPU: rank 0 has no GPU: the NVIDIA driver is there' "$scratch/half.txt")" = 1 ] ||
        fail "no line says why a driver is not enough"
    cmp "$scratch"/cpu/checkpoints/*.safetensors "$scratch"/half/checkpoints/*.safetensors || fail "half a GPU is not the CPU"
    echo "ok: half of a GPU is the CPU, with one line"
fi
