#!/usr/bin/env bash
# Stopped after any step and started again, at another number of ranks, a training ends in the bytes of an undisturbed one; a signal stops it
# with exit code 75 and a checkpoint.
# shellcheck source=../../support/shell.sh
. "$(dirname "$0")/../../support/shell.sh"

pack=$2/synthetic-pack
echo '{}' >"$scratch/empty.yaml"
config=$scratch/empty.yaml
common=(--set "data.pack=$pack" --set data.batch=8 --set data.micro_batch=2 --set data.limit_train=24
    --set data.limit_val=8 --set train.epochs=2 --set cpu.eval_batch=8 --set augment.hflip=0.5 --set schedule.name=cosine
    --set train.keep_last=2)

sums() {
    (cd "$1" && sha256sum <"$(last_weights .)" &&
        cut -d , -f 1-7 metrics.csv && grep -c '"event": "epoch"' journal.jsonl)
}

train() { # NAME RANKS [MORE…]
    local name=$1 n=$2
    shift 2
    ranks "$n" "$crisol" train "$config" --output "$scratch/$name" --quiet "${common[@]}" "$@"
}

# stop_everywhere NAME "STEPS" MORE…: the same training, stopped after each of the steps and gone on with at another number of ranks
stop_everywhere() {
    local name=$1 steps=$2 step code
    shift 2
    rm -rf "${scratch:?}/$name"*
    train "$name" 2 "$@"
    sums "$scratch/$name" >"$scratch/$name.sums"
    for step in $steps; do
        code=0
        train "$name-$step" $((step % 3 + 1)) "$@" --set "train.stop_after_steps=$step" 2>/dev/null || code=$?
        [ "$code" = 75 ] || fail "$name: stopping after step $step gave exit code $code instead of 75"
        train "$name-$step" $(((step + 1) % 4 + 1)) "$@"
        sums "$scratch/$name-$step" >"$scratch/$name-$step.sums"
        diff "$scratch/$name.sums" "$scratch/$name-$step.sums" ||
            fail "$name: stopped after step $step, it does not end like the undisturbed training"
        echo "ok: $name, stopped after step $step, resumed at another number of ranks: the same bytes"
    done
}

stop_everywhere whole "2 3"
stop_everywhere metadata "1 2 3 4 5" --set model.inputs=metadata --set schedule.name=plateau --set optimizer.name=sgd
config=$(dirname "$0")/everything.yaml # stopped while its lower half is frozen, and afterwards
stop_everywhere everything "1 5" --set schedule.name=one_cycle
config=$scratch/empty.yaml

# a signal to one rank stops all after the same step
rm -rf "$scratch/signalled"
train signalled 2 --set train.epochs=10000 --set model.inputs=metadata 2>/dev/null &
launcher=$!
trap 'kill "$launcher" 2>/dev/null || true' EXIT
for _ in $(seq 600); do
    [ -s "$scratch/signalled/metrics.csv" ] && break
    sleep 0.1
done
# the newest process is a rank: the launcher, whose command line is the same, started before
rank=$(pgrep -n -f "crisol train .*--output $scratch/signalled")
kill -USR1 "$rank"
kill -TERM "$rank" 2>/dev/null || true # a second signal, while the first is obeyed, does no harm
kill -INT "$rank" 2>/dev/null || true
code=0
wait "$launcher" || code=$?
[ "$code" = 75 ] || fail "a signal to one rank gave exit code $code instead of 75"
echo "ok: a signal to one rank, and two more, stopped both with 75"

# a changed config is refused, naming the option
expect_code 78 'optimizer.lr' "$crisol" train "$scratch/empty.yaml" --output "$scratch/whole" "${common[@]}" \
    --set optimizer.lr=0.5
expect_code 64 'resume' "$crisol" train "$scratch/empty.yaml" --output "$scratch/whole" "${common[@]}" --resume never
expect_code 66 'no checkpoint' "$crisol" train "$scratch/empty.yaml" --output "$scratch/nothing" "${common[@]}" --resume must
