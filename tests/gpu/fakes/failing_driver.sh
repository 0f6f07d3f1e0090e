#!/usr/bin/env bash
# The real program where driver and GPU do not work: asked for a GPU it says in one line why there is none, left to choose it says so
# once and computes on the CPU, to the same bits.
# shellcheck source=../../support/shell.sh
. "$(dirname "$0")/../../support/shell.sh"

pack=$2/synthetic-pack
rm -rf "${scratch:?}"/*/
echo '{}' >"$scratch/empty.yaml"
common=(--set "data.pack=$pack" --set data.batch=16 --set data.micro_batch=4 --set data.limit_train=32 --set data.limit_val=8
    --set train.epochs=1 --set model.inputs=metadata)

weights() {
    (cd "$scratch/$1/checkpoints" && sha256sum ./*.safetensors)
}

lines() { # of standard error that are Crisol's: MPI's launcher adds its own
    grep -cE '^(error|warning): ' "$scratch/err.txt" || true
}

"$crisol" train "$scratch/empty.yaml" --output "$scratch/cpu" --quiet "${common[@]}" --device cpu

number=0
while read -r pattern environment <&3; do
    number=$((number + 1))
    read -r -a variables <<<"$environment"
    expect_code 66 "device.name is cuda, but rank 0 has no GPU: .*${pattern//_/ }" env "${variables[@]}" mpirun --oversubscribe \
        --bind-to none -n 2 "$crisol" train "$scratch/empty.yaml" --output "$scratch/none" --quiet "${common[@]}" --device cuda
    [ "$(lines)" = 1 ] || { cat "$scratch/err.txt" && fail "$environment: more than one line"; }
    [ ! -e "$scratch/none/checkpoints" ] || fail "a run began without its GPU"
    env "${variables[@]}" "$crisol" train "$scratch/empty.yaml" --output "$scratch/auto-$number" "${common[@]}" >"$scratch/auto.txt" 2>&1
    [ "$(grep -c 'computing on the CPU: .*no GPU' "$scratch/auto.txt")" = 1 ] || { cat "$scratch/auto.txt" && fail "$environment: not one line of why"; }
    diff <(weights cpu) <(weights "auto-$number") || fail "$environment: other weights than on the CPU"
done 3<<TEXT
no_CUDA-capable_device LD_LIBRARY_PATH=${CRISOL_FAKES:?}/driver
driver_version_is_insufficient LD_LIBRARY_PATH=$CRISOL_FAKES/driver CRISOL_FAKE_DRIVER=11000
initialization_error LD_LIBRARY_PATH=$CRISOL_FAKES/driver CRISOL_FAKE_CUINIT=3
unknown_error LD_LIBRARY_PATH=$CRISOL_FAKES/driver CRISOL_FAKE_CUINIT=999
the_NVIDIA_driver_is_there,_but_not_a_GPU LD_LIBRARY_PATH=$CRISOL_FAKES/driver CRISOL_FAKE_CUINIT=0
TEXT
echo "ok: $number drivers that do not work"
