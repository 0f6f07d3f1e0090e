#!/usr/bin/env bash
# The real template under a real Slurm of two nodes: near its time limit the job is signalled, saves, leaves with 75, is
# requeued, goes on at another shape, and ends in the weights of the training that nobody disturbed. A cancelled job
# leaves a good checkpoint and stays away.
# shellcheck source=../../support/shell.sh
. "$(dirname "$0")/../../support/shell.sh"
# shellcheck source=two_nodes.sh
. "$(dirname "$0")/two_nodes.sh"

pack=$2/synthetic-pack
rm -rf "${scratch:?}"/*
start_cluster "$scratch/cluster"
cd "$scratch"

config() { # FILE EPOCHS
    cat >"$1" <<YAML
data: {pack: $pack, batch: 16, micro_batch: 4, limit_train: 48, limit_val: 16}
model: {inputs: metadata}
train: {epochs: $2, checkpoint_epochs: 1000000, checkpoint_seconds: 3, heartbeat: 1}
YAML
}

submit() { # CONFIG RUN TIME [NODES]
    "$source_folder/launch/slurm-train" "$1" --output "$2" --nodes "${4:-2}" --ranks 2 --cores 1 --time "$3" --signal-before 15 \
        --crisol "$crisol" --log "$2.out" --submit -- --quiet | sed 's/[^0-9]*//'
}

newest() {
    # a checkpoint may be pruned while find looks at it
    { find "$1/checkpoints" -name 'step-*.json' 2>/dev/null || true; } | sed 's/.*step-//; s/\.json//' | sort -n | tail -n 1
}

has_checkpoint() {
    [ -n "$(newest "$1")" ]
}

is_requeued() {
    [ "$(restarts "$1")" -ge "$2" ] && [ "$(job_state "$1")" = PENDING ]
}

has_state() {
    [ "$(job_state "$1")" = "$2" ]
}

# a second job that is cancelled runs meanwhile on no node: first it, then the long one
config cancelled.yaml 1000000
job=$(submit cancelled.yaml cancelled 5)
wait_for 40 'a checkpoint of the job to cancel' has_checkpoint cancelled
scancel "$job"
wait_for 20 'the cancelling' has_state "$job" CANCELLED
sleep 1
grep -q 'start 0: exit code' cancelled.out || echo "note: the batch shell was killed before it could report"
code=0
"$crisol" train cancelled.yaml --output cancelled --resume must --quiet --set train.stop_after_steps=1 || code=$?
[ "$code" = 75 ] || fail "after scancel the run could not be resumed: $code"
has_state "$job" CANCELLED || fail "a cancelled job came back: $(job_state "$job")"
echo "ok: scancel leaves step $(newest cancelled), and the job stays away"

# the limit: Slurm signals, the job saves and is requeued
config train.yaml 1000000
job=$(submit train.yaml run 1)
wait_for 100 'the requeue after the signal' is_requeued "$job" 1
grep -q 'start 0: exit code 75, step 0' run.out || { cat run.out; fail "the first start did not leave with 75"; }
sleep 8 # cred_expire: until then the nodes refuse a job that they have just ended
scontrol update "JobId=$job" StartTime=now 2>/dev/null || true # it may run already
wait_for 40 'the second start' grep -q '"event": "resume".*"step": [1-9]' run/journal.jsonl
stopped=$(sed -n 's/.*"event": "resume".*"step": \([0-9]*\),.*/\1/p' run/journal.jsonl | tail -n 1)
echo "ok: stopped at step $stopped by Slurm's signal, requeued, went on from there"
scancel "$job"
wait_for 30 'the end of the second start' has_state "$job" CANCELLED

# the same run at another shape, to its end
stopped=$(newest run)
config train.yaml $((stopped / 3 + 20))
job=$(submit train.yaml run 5 1)
wait_for 60 'the end at another shape' has_state "$job" COMPLETED
grep -q "exit code 0, step $stopped" run.out || { cat run.out; fail "the third start did not go on from step $stopped"; }
grep '"event": "resume"' run/journal.jsonl | tail -n 1 | grep -q '"ranks": 2' || fail "the third start should have had 2 ranks"
echo "ok: went on from step $stopped with 2 ranks on one node instead of 4 on two"

"$crisol" train train.yaml --output whole --quiet --set train.checkpoint_seconds=0
last=$(newest whole)
[ "$(newest run)" = "$last" ] || fail "the requeued run ends at step $(newest run), the undisturbed one at $last"
cmp "$(last_weights run)" "$(last_weights whole)" ||
    fail "the requeued run ends in other weights than the undisturbed one"
diff <(cut -d , -f 1-7 run/metrics.csv) <(cut -d , -f 1-7 whole/metrics.csv) >/dev/null ||
    fail "metrics.csv has lost or doubled lines"
echo "ok: step $last, the same bytes as undisturbed; $(wc -l <run/metrics.csv) lines of metrics.csv"
