#!/usr/bin/env bash
# A training under a real Slurm of two nodes that is stopped again and again: signalled and requeued several times in a
# row, its slurmd killed and back, its node gone for good. It loses nothing and ends in the weights of an undisturbed one.
#   slurm_faults.sh SCRATCH PACKS [--requeues N]
# shellcheck source=../../support/shell.sh
. "$(dirname "$0")/../../support/shell.sh"
# shellcheck source=two_nodes.sh
. "$(dirname "$0")/two_nodes.sh"

pack=$2/synthetic-pack
requeues=2
[ "${3:-}" != --requeues ] || requeues=${4:?--requeues N}
rm -rf "${scratch:?}"/*
start_cluster "$scratch/cluster"
cd "$scratch"

config() { # EPOCHS: few enough to end soon, or more than will ever be trained
    cat >train.yaml <<YAML
data: {pack: $pack, batch: 16, micro_batch: 4, limit_train: 48, limit_val: 16}
model: {inputs: metadata}
train: {epochs: $1, checkpoint_epochs: 1000000, checkpoint_seconds: 2, heartbeat: 1}
YAML
}

submit() { # NODES
    "$source_folder/launch/slurm-train" train.yaml --output run --nodes "$1" --ranks 2 --cores 1 --time 30 --crisol "$crisol" \
        --log run.out --submit -- --quiet | sed 's/[^0-9]*//'
}

# the events of a kind so far
count_events() {
    { grep -c "\"event\": \"$1\"" run/journal.jsonl 2>/dev/null || true; } | head -n 1
}
has_resumed() {
    [ "$(count_events resume)" -ge "$1" ]
}
newest() {
    { find run/checkpoints -name 'step-*.json' 2>/dev/null || true; } | sed 's/.*step-//; s/\.json//' | sort -n | tail -n 1
}
has_gained() {
    [ "$(newest)" -gt "$1" ] 2>/dev/null
}
is_requeued() {
    [ "$(restarts "$1")" -ge "$2" ] && [ "$(job_state "$1")" = PENDING ]
}
has_state() {
    [ "$(job_state "$1")" = "$2" ]
}
config 1000000
job=$(submit 2)
wait_for 60 'the first checkpoint' has_gained 0
first=$(restarts "$job") # more than 0 where the MPI library crashed as it started, before the first step
for i in $(seq "$requeues"); do
    before=$(newest)
    wait_for 60 "a checkpoint after start $i" has_gained "$before"
    scancel --batch --signal=USR1 "$job" # what Slurm itself sends before the limit
    wait_for 60 "requeue $i" is_requeued "$job" $((first + i))
    stopped=$(newest)
    wait_for 60 "start $((i + 1))" has_state "$job" RUNNING
    wait_for 60 "going on after requeue $i" has_resumed "$i"
    grep '"event": "resume"' run/journal.jsonl | tail -n 1 | grep -q "\"step\": $stopped," || fail "requeue $i: not resumed from step $stopped"
    echo "ok: requeue $i, saved step $stopped and went on from there"
done
[ "$(grep -c '^train.sbatch: .* exit code 75' run.out)" = "$requeues" ] || { cat run.out; fail "not every stop gave 75"; }

# slurmd of the second node dies and comes back: the job does not notice
before=$(newest)
starts=$(restarts "$job")
kill -9 "${cluster_pids[2]}"
start_node n2
wait_for 60 'a checkpoint without, or with a new, slurmd' has_gained "$before"
has_state "$job" RUNNING || fail "a new slurmd ended the job: $(job_state "$job")"
[ "$(restarts "$job")" = "$starts" ] || fail "a new slurmd restarted the job"
echo "ok: slurmd killed and back, the job trains on"

# the node is gone, with all that ran there: the rest of the job ends by itself and is requeued
step_pids() { # processes of the job below node n2's slurmd, which name their host
    local pid
    for pid in $(pgrep -f 'slurmstepd|train train.yaml --output run' || true); do
        if [ "$(nsenter -t "$pid" --uts hostname 2>/dev/null)" = n2 ]; then echo "$pid"; fi
    done
}
before=$(newest)
kill -9 "${cluster_pids[-1]}"
mapfile -t gone < <(step_pids)
[ "${#gone[@]}" -ge 2 ] || fail "there should be ranks on n2: ${gone[*]}"
kill -9 "${gone[@]}" 2>/dev/null || true
wait_for 120 'the requeue after a node was lost' is_requeued "$job" $((starts + 1))
rm -rf cluster/spool/n2/* cluster/tmp/n2/* # as after a boot: what a step left there would keep the next from starting
start_node n2
wait_for 90 'the start after a node was lost' has_state "$job" RUNNING
wait_for 60 'going on after a node was lost' has_resumed $((requeues + 1))
echo "ok: a node was lost at step $before or later; went on from step $(newest)"
scancel "$job"
wait_for 60 'the end of the job' has_state "$job" CANCELLED

# to its end at another shape, against an undisturbed training
config $(($(newest) / 3 + 20))
job=$(submit 1)
wait_for 120 'the end at another shape' has_state "$job" COMPLETED
"$crisol" train train.yaml --output whole --quiet --set train.checkpoint_seconds=0
last=$(find whole/checkpoints -name 'step-*.json' | sed 's/.*step-//; s/\.json//' | sort -n | tail -n 1)
cmp "$(last_weights run)" "$(last_weights whole)" || fail "other weights than undisturbed"
diff <(cut -d , -f 1-7 run/metrics.csv) <(cut -d , -f 1-7 whole/metrics.csv) >/dev/null || fail "metrics.csv has lost or doubled lines"
[ "$(count_events epoch)" = $((last / 3)) ] || fail "the journal has lost or doubled epochs"
[ "$(count_events resume)" = $((requeues + 2)) ] || fail "the journal tells of $(count_events resume) resumes"
echo "ok: step $last, the same bytes as undisturbed"
[ -z "${FAULT_REPORT:-}" ] || printf 'Slurm requeues in a row\t%d\t0\nSlurm: slurmd killed and back, node lost\t2\t0\n' "$requeues" >>"$FAULT_REPORT"
