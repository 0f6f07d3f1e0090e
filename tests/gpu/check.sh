#!/usr/bin/env bash
# Everything that wants a GPU, in one go: for the hour when one is at hand. One line of JSON a step in FOLDER/results.jsonl, what
# the steps printed in FOLDER/log.txt; a step that fails or has no time left does not stop the next. Exit code 1 when one failed.
#   tests/gpu/check.sh --output FOLDER [OPTION …]
#
#   --bundle FOLDER     programs of launch/bundle.sh; otherwise those of a build:
#   --build FOLDER      default: build/release, built first where it is missing
#   --device cuda|cpu   default: cuda where nvidia-smi sees one. cpu: a dry run of what needs no GPU; the other steps are skipped
#   --pack FOLDER       a pack to train on; default: one of 1,536 made pictures
#   --seconds N         for all steps together (default: 540)
#   --only STEP,STEP    these steps alone
#   --short             a dry run in seconds: the table alone, few repeats, no references
#
# Steps, in order: build, facts, describe, suite, parity-f32, parity-bf16, replay-f32, replay-bf16, gradients, ranks, resume, plans, curve,
# throughput, layers, kernels, peer. The references are found through CRISOL_PARITY_DIR, PyTorch through CRISOL_PYTHON (default: python3).
set -euo pipefail
self=${BASH_SOURCE[0]}
folder=$(cd "$(dirname "$self")" && pwd)
source_folder=$(cd "$folder/../.." && pwd)

usage() {
    sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p}' "$self"
}

# program NAME: prints its path; a step without its program fails
program() {
    local found=
    if [ -n "$CHECK_BUNDLE" ]; then
        found=$CHECK_BUNDLE/bin/$1
    elif [ "$1" = crisol ]; then
        found=$CHECK_BUILD/crisol
    else
        found=$(find "$CHECK_BUILD/tests" -type f -perm -u+x -name "$1" -print -quit)
    fi
    if [ ! -x "$found" ]; then
        echo "failed: $1 is not in ${CHECK_BUNDLE:-$CHECK_BUILD}" >&2
        return 66
    fi
    printf '%s\n' "$found"
}

needs_gpu() {
    [ "$CHECK_DEVICE" = cuda ] || skip "no device"
}

skip() {
    echo "skipped: $*"
    exit 77
}

fail() {
    echo "failed: $*"
    exit 1
}

# number NAME < JSON lines: the values under NAME, one a line
number() {
    sed -n "s/.*\"$1\": \([0-9.eE+-]*\).*/\1/p"
}

# ---- the steps: each prints what it finds, last the line that stands in the results ----

step_build() {
    if [ -n "$CHECK_BUNDLE" ]; then
        [ -x "$CHECK_BUNDLE/bin/crisol" ] || fail "$CHECK_BUNDLE holds no crisol"
    elif [ ! -x "$CHECK_BUILD/crisol" ]; then
        cmake -S "$source_folder" -B "$CHECK_BUILD" -DCMAKE_BUILD_TYPE=Release -DCRISOL_TESTS=ON
        cmake --build "$CHECK_BUILD" --parallel "$(nproc)"
    fi
    "$(program crisol)" --version
    echo "${CHECK_BUNDLE:-$CHECK_BUILD}: $("$(program crisol)" --version | sed -n 1p)"
}

step_facts() {
    uname -a
    grep -m 1 'model name' /proc/cpuinfo || true
    nproc
    needs_gpu
    nvidia-smi
    local fields=name,uuid,driver_version,memory.total,pstate,clocks.sm,clocks.mem,clocks.max.sm,power.limit,ecc.mode.current,pcie.link.gen.max
    echo "{\"fields\": \"$fields\", \"nvidia_smi\": \"$(nvidia-smi --query-gpu=$fields --format=csv,noheader | sed -n 1p | tr -d '"\\')\"}"
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader | sed -n 1p
}

step_describe() {
    needs_gpu
    local describe
    describe=$(program device_describe)
    "$describe" >"$CHECK_OUTPUT/device.json"
    echo "$(wc -c <"$CHECK_OUTPUT/device.json") bytes in device.json, to be kept under tests/gpu/fixtures"
}

step_suite() {
    needs_gpu
    local name found
    for name in test_cuda_backend test_cuda_arrays test_cuda_kernels test_cuda_pools test_cuda_values test_cuda_trials; do
        found=$(program $name)
        "$found"
    done
    echo "backend, arrays, kernels, pools, values, trials: within their tolerances"
}

parity() {
    local found
    found=$(program device_parity)
    [ "$CHECK_SHORT" = no ] || skip "short"
    [ -d "${CRISOL_PARITY_DIR:-}" ] || skip "no references (CRISOL_PARITY_DIR)"
    "$found" --device "$CHECK_DEVICE" --precision "$1" 2>&1 | tee parity.txt
    ! grep -q 'SKIPPED' parity.txt || skip "$1: not on this machine"
    echo "$1: every reference within its bounds"
}
step_parity_f32() { parity f32; }
step_parity_bf16() { parity bf16; }

replay() {
    local found times=100 plans
    found=$(program device_replay)
    [ "$CHECK_SHORT" = no ] || times=2
    for plans in rule measure; do
        if ! "$found" --device "$CHECK_DEVICE" --precision "$1" --plans $plans --times $times >replay.txt 2>&1; then
            cat replay.txt
            ! grep -q 'bf16 instructions\|no bf16\|bf16 needs' replay.txt || skip "this machine does not compute in bf16"
            fail "$(tail -n 1 replay.txt)"
        fi
        cat replay.txt
    done
}
step_replay_f32() { replay f32; }
step_replay_bf16() { replay bf16; }

# The engines of real shapes are others than those of the suite's small nets.
step_gradients() {
    local found run shape=(--micro-batch 8)
    found=$(program device_gradients)
    [ "$CHECK_SHORT" = no ] || shape=(--micro-batch 2 --size 64)
    if [ "$CHECK_DEVICE" = cpu ]; then
        "$found" --device cpu "${shape[@]}"
        echo "on a CPU there is only itself to compare with"
        return
    fi
    for run in "f32 rule" "f32 measure" "bf16 rule" "bf16 measure"; do
        "$found" --precision "${run% *}" --plans "${run#* }" "${shape[@]}" || fail "$run: a tensor's gradient is not the CPU's"
    done
    [ "$CHECK_SHORT" = yes ] || "$found" --precision bf16 --plans measure --micro-batch 64 || fail "bf16 measure, 64: a tensor's gradient is not the CPU's"
    echo "every tensor's gradient of ResNet-18 is the CPU's within what f32 and bf16 explain"
}

# The small set: made here unless one was carried.
small_set() {
    [ -z "$CHECK_PACK" ] || return 0
    CHECK_PACK=$CHECK_WORK/pack
    [ ! -e "$CHECK_PACK/manifest.json" ] || return 0
    "$crisol" synth "$CHECK_WORK/made" --samples 1536 --seed 1 >/dev/null
    "$crisol" pack "$source_folder/datasets/synthetic.yaml" --root "$CHECK_WORK/made" --output "$CHECK_PACK" >/dev/null
}

# train DEVICE RANKS RUN [OPTION …]: over MPI through the host, on one device
train() {
    local device=$1 n=$2 run=$3 inputs=both
    shift 3
    [ "$CHECK_SHORT" = no ] || inputs=metadata
    cat >small.yaml <<YAML
data: {pack: $CHECK_PACK, batch: 32, micro_batch: 8, limit_train: 96, limit_val: 32}
model: {inputs: $inputs}
augment: {hflip: 0.5, rotate: 10, color: [0.1, 0.1, 0.1, 0.02], erase: 0.25}
optimizer: {lr: 1e-4}
train: {epochs: 2, seed: 1}
YAML
    mpirun --bind-to none --oversubscribe -n "$n" "$crisol" train small.yaml --output "$run" --quiet --device "$device" \
        --share-device --set device.transport=mpi "$@"
}

weights() { # RUN: hash of its last weights
    local last
    last=$(printf '%s\n' "$1"/checkpoints/*.safetensors | sort -V | tail -n 1)
    sha256sum "$last" | cut -c 1-64
}

step_ranks() {
    crisol=$(program crisol)
    small_set
    local n hash first=
    for n in 1 2 4; do
        train "$CHECK_DEVICE" $n "ranks-$n"
        hash=$(weights "ranks-$n")
        echo "{\"ranks\": $n, \"weights\": \"$hash\", \"images_per_s\": $(tail -n 1 "ranks-$n/metrics.csv" | cut -d , -f 8)}"
        first=${first:-$hash}
        [ "$hash" = "$first" ] || fail "$n ranks end in other weights than one"
    done
    train "$CHECK_DEVICE" 1 sent --set device.resident=off
    [ "$(weights sent)" = "$first" ] || fail "images that travel with each batch end in other weights than those that the device keeps"
    echo "1, 2 and 4 ranks end in the weights ${first:0:16}…, and so does one that keeps no images"
}

step_resume() {
    crisol=$(program crisol)
    small_set
    local whole code=0
    [ -d ranks-1/checkpoints ] || train "$CHECK_DEVICE" 1 ranks-1
    whole=$(weights ranks-1)
    train "$CHECK_DEVICE" 2 stopped --set train.stop_after_steps=2 || code=$?
    [ "$code" = 75 ] || fail "the stop ended with $code instead of 75"
    cp -r stopped on-cpu
    train "$CHECK_DEVICE" 1 stopped --resume must
    [ "$(weights stopped)" = "$whole" ] || fail "stopped and resumed ends in other weights"
    train cpu 1 on-cpu --resume must
    echo "stopped after 2 steps on 2 ranks, resumed on 1: the same weights; the checkpoint goes on on a CPU, too"
}

# Measured engines: what one training found is what another starts from, at other ranks and after a stop, and what a repetition takes.
step_plans() {
    crisol=$(program crisol)
    small_set
    local whole code=0 measured=(--set cuda.plans=measure --set cuda.plans_file=engines.json)
    train "$CHECK_DEVICE" 1 measured "${measured[@]}"
    whole=$(weights measured)
    train "$CHECK_DEVICE" 2 measured-stopped --set train.stop_after_steps=2 "${measured[@]}" || code=$?
    [ "$code" = 75 ] || fail "the stop ended with $code instead of 75"
    train "$CHECK_DEVICE" 1 measured-stopped --resume must "${measured[@]}"
    [ "$(weights measured-stopped)" = "$whole" ] || fail "with the same engines, stopped and resumed ends in other weights"
    "$crisol" repeat measured --output measured-again
    [ "$(weights measured-again)" = "$whole" ] || fail "the repetition ends in other weights"
    [ "$CHECK_DEVICE$CHECK_SHORT" != cudano ] || cmp measured/plans.json measured-again/plans.json
    echo "one training's engines, on 2 ranks, after a stop and in a repetition: the same weights"
}

# R4: the loss before each of 12 steps of one epoch a step, CPU against GPU in float32. Allowed: four times PyTorch's own largest gap
# between arithmetics up to the step (README of the references, section 9), doubled because both sides have one.
step_curve() {
    needs_gpu
    crisol=$(program crisol)
    small_set
    local device
    for device in cpu cuda; do
        train $device 1 "curve-$device" --set data.limit_train=32 --set train.epochs=12 --set train.patience=0 \
            --set augment.hflip=0 --set augment.rotate=0 --set augment.erase=0 --set 'augment.color=[0, 0, 0, 0]' --set model.head.dropout=0
    done
    paste -d , <(cut -d , -f 4 curve-cpu/metrics.csv) <(cut -d , -f 4 curve-cuda/metrics.csv) | awk -F , '
        NR > 1 {
            n = split("1e-5 5e-4 1e-3 1e-3 2e-3 2e-3 2e-3 5e-3 5e-3 5e-3 5e-3 5e-3", allowed, " ")
            gap = $2 / $1 - 1; gap = gap < 0 ? -gap : gap; step = NR - 1
            printf "{\"step\": %d, \"cpu\": %s, \"cuda\": %s, \"gap\": %.2e, \"allowed\": %.2e}\n", step, $1, $2, gap, 2 * allowed[step]
            bad += !(gap <= 2 * allowed[step])
        }
        END { exit bad > 0 || NR != 13 }' || fail "the losses drift apart"
    echo "12 steps on CPU and GPU: the losses stay within their bounds"
}

bench() { # OPTION …
    "$measure" "$1" --device "$CHECK_DEVICE" --threads "$threads" "${@:2}"
}

whole_training() { # MICRO_BATCH KEPT WHAT: of step_throughput
    local n=$1 run=whole-$1-$2
    train "$CHECK_DEVICE" 1 "$run" --set train.precision="$precision" --set data.batch="$n" --set data.micro_batch="$n" --set device.resident="$2" \
        --set cuda.plans="$plans" --set data.limit_train=0 --set data.limit_val=8 --set train.epochs=4 || { echo "the training at micro-batch $n failed" && return 0; }
    echo "{\"what\": \"$3\", \"micro_batch\": $n, \"images_per_s\": $(tail -n 1 "$run/metrics.csv" | cut -d , -f 8)}"
}

step_throughput() {
    local measure threads=1 n plans=measure gain precision=bf16 steps=(--steps 50 --warmup 20) batches=(64 128 256) kept=(--kept) best=0 rate
    measure=$(program device_bench)
    crisol=$(program crisol)
    if [ "$CHECK_DEVICE" = cpu ]; then
        precision=f32 steps=(--steps 1 --warmup 1) batches=(8) kept=() threads=$(nproc)
    fi
    [ "$CHECK_SHORT" = no ] || { steps=(--steps 1 --warmup 0) batches=(2) threads=1; }
    for n in "${batches[@]}"; do
        bench train --precision $precision --micro-batch "$n" --plans rule "${kept[@]}" "${steps[@]}" | tee -a rates.txt rates-rule.txt
        # where engines cannot be measured, the rest is by the rule
        bench train --precision $precision --micro-batch "$n" --plans measure "${kept[@]}" "${steps[@]}" | tee -a rates.txt rates-measure.txt || plans=rule
        bench train --precision $precision --micro-batch "$n" --plans $plans --augment "${kept[@]}" "${steps[@]}"
        [ "$CHECK_DEVICE" = cpu ] || bench train --precision $precision --micro-batch "$n" --plans $plans --augment "${steps[@]}"
    done
    gain=$(paste -d ' ' <(number images_per_s_median <rates-measure.txt) <(number images_per_s_median <rates-rule.txt) |
        awk 'NF == 2 { printf "%s%.2f", (NR > 1 ? ", " : ""), $1 / $2 }')
    bench eval --precision $precision --micro-batch "${batches[-1]}" --plans $plans "${kept[@]}" "${steps[@]}" | tee evaluation.txt
    small_set
    # trainings from the pack, rate of the last epoch: a GPU keeps the images; the last size with the loader as well
    for n in "${batches[@]}"; do
        [ "$CHECK_DEVICE" = cpu ] || whole_training "$n" on "train with kept images"
    done
    whole_training "$n" off "train with loader"
    best=$(number images_per_s_median <rates.txt | sort -g | tail -n 1)
    rate=$(number images_per_s_median <evaluation.txt)
    echo "$best" >"$CHECK_WORK/best"
    [ $plans = measure ] || fail "training $best images/s, but engines could not be measured"
    # Estimates for an H200 until one is measured: README.md beside this file.
    if [ "$CHECK_DEVICE" = cuda ] && nvidia-smi -L | grep -q H200 && [ "${best%.*}" -lt 15000 ]; then
        fail "training at $best images/s is below the floor of 15,000 on an H200"
    fi
    echo "training $best images/s (floor 15,000, goal 24,000 on an H200), measured engines against the rule's: x $gain at micro-batch ${batches[*]}; evaluation $rate (goal 60,000)"
}

step_layers() {
    local measure threads=1
    measure=$(program device_bench)
    if [ "$CHECK_DEVICE" = cpu ]; then
        bench train --micro-batch 2 --steps 1 --warmup 0 --profile
    else
        bench train --precision bf16 --micro-batch 128 --plans measure --steps 20 --warmup 5 --profile
    fi
    echo "times by layer are in log.txt"
}

# The own kernels one by one, with what they move.
step_kernels() {
    needs_gpu
    local kernels
    kernels=$(program device_kernels)
    "$kernels" | tee kernels.txt
    echo "$(wc -l <kernels.txt) kernels: times and rates are in log.txt"
}

step_peer() {
    local python=${CRISOL_PYTHON:-python3} options=(--micro-batch 64 128 256) best ours
    "$python" -c 'import torch' 2>/dev/null || skip "no PyTorch ($python)"
    [ "$CHECK_SHORT" = no ] || skip "short"
    [ "$CHECK_DEVICE" = cuda ] || options=(--micro-batch 4 --steps 1 --warmup 1 --precision f32)
    "$python" "$folder/device_peer.py" --device "$CHECK_DEVICE" "${options[@]}" | tee peer.txt
    best=$(number images_per_s_median <peer.txt | sort -g | tail -n 1)
    [ -n "$best" ] || fail "PyTorch measured nothing"
    [ -s "$CHECK_WORK/best" ] || skip "PyTorch's best is $best images/s, but Crisol was not measured"
    ours=$(cat "$CHECK_WORK/best")
    echo "Crisol $ours, PyTorch $best images/s: ratio $(awk "BEGIN { printf \"%.2f\", $ours / $best }")"
}

# ---- the frame ----

if [ -n "${CHECK_STEP:-}" ]; then # started by the loop below, under a time limit of its own
    mkdir -p "$CHECK_WORK/files"
    cd "$CHECK_WORK/files"
    "step_${CHECK_STEP//-/_}"
    exit 0
fi

refuse() {
    printf 'check.sh: %s; --help tells more\n' "$*" >&2
    exit 64
}

CHECK_OUTPUT='' CHECK_BUNDLE='' CHECK_BUILD=$source_folder/build/release CHECK_DEVICE='' CHECK_PACK='' CHECK_SHORT=no
seconds=540 only=''
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage && exit 0 ;;
        --short) CHECK_SHORT=yes && shift && continue ;;
    esac
    [ $# -ge 2 ] || refuse "$1 needs a value, or is no option"
    case $1 in
        --output) CHECK_OUTPUT=$2 ;;
        --bundle) CHECK_BUNDLE=$(cd "$2" && pwd) ;;
        --build) CHECK_BUILD=$(realpath -m "$2") ;;
        --device) CHECK_DEVICE=$2 ;;
        --pack) CHECK_PACK=$(cd "$2" && pwd) ;;
        --seconds) seconds=$2 ;;
        --only) only=$2 ;;
        *) refuse "there is no option $1" ;;
    esac
    shift 2
done
[ -n "$CHECK_OUTPUT" ] || refuse '--output FOLDER is needed'
[[ $seconds =~ ^[1-9][0-9]{0,5}$ ]] || refuse "--seconds takes a number, not '$seconds'"
if [ -z "$CHECK_DEVICE" ]; then
    CHECK_DEVICE=cpu
    ! nvidia-smi -L >/dev/null 2>&1 || CHECK_DEVICE=cuda
fi
[[ $CHECK_DEVICE =~ ^(cpu|cuda)$ ]] || refuse "--device takes cpu or cuda, not '$CHECK_DEVICE'"
if [ -n "$CHECK_BUNDLE" ]; then
    # shellcheck disable=SC1091
    . "$CHECK_BUNDLE/env.sh"
fi
if [ -z "${CRISOL_PARITY_DIR:-}" ] && [ -d "$source_folder/../shared/parity" ]; then
    CRISOL_PARITY_DIR=$(cd "$source_folder/../shared/parity" && pwd)
fi
if [ "$(id -u)" = 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
mkdir -p "$CHECK_OUTPUT"
CHECK_OUTPUT=$(cd "$CHECK_OUTPUT" && pwd)
CHECK_WORK=$(mktemp -d)
trap 'rm -rf "$CHECK_WORK"' EXIT
export CHECK_OUTPUT CHECK_BUNDLE CHECK_BUILD CHECK_DEVICE CHECK_PACK CHECK_SHORT CHECK_WORK CRISOL_PARITY_DIR
results=$CHECK_OUTPUT/results.jsonl
log=$CHECK_OUTPUT/log.txt
: >"$results"
: >"$log"

# quoted TEXT: as a JSON string
quoted() {
    local text=${1//\\/\\\\}
    text=${text//\"/\\\"}
    printf '"%s"' "$(printf '%s' "$text" | tr -d '\000-\037')"
}

failed=0
run_step() { # NAME LIMIT
    local name=$1 limit=$2 start=$SECONDS left=$((seconds - SECONDS)) code=0 result said values passed_over
    [ -z "$only" ] || [[ ,$only, == *,$name,* ]] || return 0
    [ "$CHECK_SHORT" = no ] || limit=$((limit * 5)) # a test asserts no time
    limit=$((limit < left ? limit : left))
    if [ "$limit" -le 0 ]; then
        echo "skipped: no time left" >"$CHECK_WORK/printed"
        code=77
    else
        CHECK_STEP=$name timeout -k 5 "$limit" bash "$self" >"$CHECK_WORK/printed" 2>&1 </dev/null || code=$?
    fi
    case $code in
        0) result=ok ;;
        77) result=skipped ;;
        *) result=failed failed=$((failed + 1)) ;;
    esac
    said=$(grep -v '^ *$' "$CHECK_WORK/printed" | tail -n 1 || true)
    [ "$result" != failed ] || said=$(grep -E '^(error|failed): |: error: ' "$CHECK_WORK/printed" | tail -n 1 | grep . || echo "$said")
    # with a GPU there is little to skip: that it cannot be used is a failure
    if [ "$CHECK_DEVICE$result" = cudaskipped ] && ! [[ $said =~ ^skipped:\ (no\ (PyTorch|references|time)|short) ]]; then
        result=failed failed=$((failed + 1))
    fi
    [ "$code" != 124 ] && [ "$code" != 137 ] || said="not done within $limit s"
    passed_over=$(grep -c 'an engine is passed over' "$CHECK_WORK/printed" || true)
    [ "$passed_over" = 0 ] || said="$said; engines passed over, see log.txt: $passed_over"
    values=$(grep '^{.*}$' "$CHECK_WORK/printed" | paste -sd , || true)
    { printf '\n==== %s: %s, exit code %d\n' "$name" "$result" "$code" && cat "$CHECK_WORK/printed"; } >>"$log"
    printf '{"step": "%s", "result": "%s", "device": "%s", "seconds": %d, "said": %s, "values": [%s]}\n' "$name" "$result" \
        "$CHECK_DEVICE" $((SECONDS - start)) "$(quoted "$said")" "$values" >>"$results"
    printf '%-12s %-8s %4d s  %s\n' "$name" "$result" $((SECONDS - start)) "$said"
}

run_step build 300
run_step facts 20
run_step describe 30
run_step suite 90
run_step parity-f32 60
run_step parity-bf16 60
run_step replay-f32 60
run_step replay-bf16 60
run_step gradients 90
run_step ranks 90
run_step resume 60
run_step plans 60
run_step curve 60
run_step throughput 140
run_step layers 30
run_step kernels 30
run_step peer 150
printf '%d steps failed; %s\n' "$failed" "$results"
[ "$failed" = 0 ]
