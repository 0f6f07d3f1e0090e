# shellcheck shell=bash disable=SC2034
# Sourced by the fault tests: a short training (a table only, so that a step takes a millisecond), what it ends in when
# nobody disturbs it, and the count of tries and losses. A loss is a try after which a resume does not end in the very
# bytes of the undisturbed training.
# shellcheck source=../../support/shell.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../support/shell.sh"

pack=${2:?usage: TEST SCRATCH_FOLDER PACKS [OPTION …]}/synthetic-pack
epochs=${FAULT_EPOCHS:-30}
tries=0
losses=0
rm -rf "${scratch:?}"/*
cat >"$scratch/train.yaml" <<YAML
data: {pack: $pack, batch: 16, micro_batch: 4, limit_train: 48, limit_val: 16}
model: {inputs: metadata}
train: {epochs: $epochs, checkpoint_steps: 2, watchdog: 20, heartbeat: 60}
YAML

# train RUN [OPTION …]: the command, for a launcher or strace to start
train() {
    local run=$1
    shift
    command=("$crisol" train "$scratch/train.yaml" --output "$scratch/$run" --quiet "$@")
}

# result RUN: the last weights, the columns of metrics.csv that are no times, and the same of the journal's epochs: none
# lost, none twice, each with its weights. A checkpoint may be told of once at most.
result() {
    (cd "$scratch/$1" && sha256sum <"$(last_weights .)" &&
        cut -d , -f 1-7 metrics.csv &&
        sed -n 's/.*"event": "epoch", \("epoch": [0-9.]*, "step": [0-9.]*\).*\("weights": "[0-9a-f]*"\).*/\1 \2/p' journal.jsonl &&
        sed -n 's/.*"event": "checkpoint", \("step": [0-9]*\).*/\1 told of twice/p' journal.jsonl | sort | uniq -d)
}

undisturbed() {
    train undisturbed
    "${command[@]}"
    result undisturbed >"$scratch/undisturbed.txt"
}

# must_resume RUN WHAT [LAUNCHER…]: goes on to the end, which must be that of the undisturbed training
must_resume() {
    local run=$1 what=$2 code=0
    shift 2
    tries=$((tries + 1))
    train "$run"
    timeout 120 "$@" "${command[@]}" 2>"$scratch/resume.txt" || code=$?
    if [ "$code" != 0 ] || ! result "$run" >"$scratch/resumed.txt" || ! cmp -s "$scratch/undisturbed.txt" "$scratch/resumed.txt"; then
        losses=$((losses + 1))
        printf 'LOST (resume gave %s): %s\n' "$code" "$what"
        tail -n 3 "$scratch/resume.txt"
        diff "$scratch/undisturbed.txt" "$scratch/resumed.txt" | head -n 4 || true
        cp -r "$scratch/$run" "$scratch/lost-$tries"
    fi
}

# in_lanes N COMMAND…: the command, with 0 … N-1 as its last argument, N at a time, each with a scratch folder of its own;
# their tries and losses are added
in_lanes() {
    local n=$1 lane pids=()
    shift
    for lane in $(seq 0 $((n - 1))); do
        mkdir -p "$scratch/lane-$lane"
        cp "$scratch/train.yaml" "$scratch/undisturbed.txt" "$scratch/lane-$lane"
        (
            scratch=$scratch/lane-$lane tries=0 losses=0
            "$@" "$lane"
            echo "$tries $losses" >"$scratch/count"
        ) >"$scratch/lane-$lane.txt" 2>&1 &
        pids+=($!)
    done
    wait "${pids[@]}" || true
    cat "$scratch"/lane-*.txt
    for lane in $(seq 0 $((n - 1))); do
        read -r more lost <"$scratch/lane-$lane/count" || fail "lane $lane broke off"
        tries=$((tries + more)) losses=$((losses + lost))
    done
}

# finish WHAT: one line, also for run-all's table
finish() {
    printf '%s: %d tries, %d lost\n' "$1" "$tries" "$losses"
    [ -z "${FAULT_REPORT:-}" ] || printf '%s\t%d\t%d\n' "$1" "$tries" "$losses" >>"$FAULT_REPORT"
    { [ "$tries" -gt 0 ] && [ "$losses" = 0 ]; } || fail "$1: $losses of $tries lost"
}
