#!/usr/bin/env bash
# The program on an emulated device (CRISOL_FAILING), with a fake cuDNN: whatever call fails, at the start or in the middle of a
# step, on one rank or on all, there is one line, the documented code, no rank is left, and the run goes on to the bits of an
# undisturbed one.
# shellcheck source=../../support/shell.sh
. "$(dirname "$0")/../../support/shell.sh"

pack=$2/synthetic-pack
program=${CRISOL_FAILING:?}
rm -rf "${scratch:?}"/*/
echo '{}' >"$scratch/empty.yaml"
common=(--set "data.pack=$pack" --set data.batch=8 --set data.micro_batch=4 --set data.limit_train=16 --set data.limit_val=8
    --set train.epochs=3 --set train.checkpoint_steps=1 --set train.watchdog=20 --set model.inputs=metadata --device cuda --share-device
    --set device.transport=mpi)
export LD_LIBRARY_PATH=${CRISOL_FAKES:?}/cudnn-whole

train=(mpirun --oversubscribe --bind-to none -n 2 "$program" train "$scratch/empty.yaml" --quiet "${common[@]}")

weights() {
    local last
    last=$(printf '%s\n' "$scratch/$1"/checkpoints/*.safetensors | sort -V | tail -n 1)
    sha256sum "$last" | cut -c 1-64
}

nobody_left() { # NAME
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        pgrep -f "output $scratch/$1( |\$)" >/dev/null || return 0
        sleep 0.3
    done
    fail "$1: a rank is still there"
}

# failing CODE PATTERN NAME [MORE…]: with what the environment orders
failing() {
    local code=$1 pattern=$2 name=$3
    shift 3
    expect_code "$code" "$pattern" "${train[@]}" --output "$scratch/$name" "$@"
    [ "$(grep -cE '^error: ' "$scratch/err.txt")" = 1 ] || { cat "$scratch/err.txt" && fail "$name: not one line"; }
    nobody_left "$name"
}

"${train[@]}" --output "$scratch/whole"
grep -q '"cuDNN": "9.19.0"' "$scratch/whole/record.json" || fail "the record does not list cuDNN"

# cuDNN: not there, too old, without a symbol, and failing
for kind in none old without-execute; do
    LD_LIBRARY_PATH=$CRISOL_FAKES/cudnn-$kind failing 66 'no GPU: .*libcudnn.so.9.*cuDNN 9.8 or newer' no-cudnn
done
CRISOL_FAKE_FAIL=cudnnCreate failing 70 'cuDNN: a handle: as ordered' start
CRISOL_FAKE_FAIL=cudnnCreate@1 failing 70 'rank 1.*cuDNN: a handle: as ordered' start
failing 70 'layer|convolution|plan' no-plan --set model.inputs=both
failing 70 'no deterministic plan' no-plan --set model.inputs=both --set cuda.plans=measure
echo '{"format": 1, "plans": 7}' >"$scratch/bad.json"
failing 65 'bad.json: "plans" must be an array' no-plan --set cuda.plans=measure --set "cuda.plans_file=$scratch/bad.json"
[ ! -e "$scratch/no-plan/plans.json" ] || fail "a run that never began has plans"
for call in cudnnBackendCreateDescriptor cudnnBackendSetAttribute cudnnBackendGetAttribute; do
    CRISOL_FAKE_FAIL=$call failing 70 'cuDNN: .*as ordered' plans --set model.inputs=both
done

# the device: at the start
for order in cudaSetDevice=46 cudaMalloc@1=2 cudaMalloc:3@0=2 cudaHostAlloc@1=2 cudaStreamCreateWithPriority@0=2; do
    CRISOL_FAKE_FAIL=$order failing 70 'CUDA|GPU' start
done
[ ! -e "$scratch/start/checkpoints" ] || [ -z "$(ls "$scratch/start/checkpoints")" ] || fail "a run that never began has a checkpoint"

# and in the middle: what was saved goes on to the same end
number=0
for order in cudaGraphLaunch:5@1=719 cudaMemcpyAsync:40@0=719 cudaStreamSynchronize:31=719; do
    number=$((number + 1))
    CRISOL_FAKE_FAIL=$order failing 70 'CUDA|GPU' "failed-$number"
    "${train[@]}" --output "$scratch/failed-$number"
    [ "$(weights "failed-$number")" = "$(weights whole)" ] || fail "$order: resumed, it ends in other weights"
    echo "ok: $order, resumed to the same weights"
done
echo "ok: a failing device"
