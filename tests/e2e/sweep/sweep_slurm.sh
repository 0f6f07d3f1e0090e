#!/usr/bin/env bash
# A job array on the two nodes of a real Slurm, of which one task is killed: the other takes its trial over when the lease
# has run out, and the sweep ends like the undisturbed one. Each node has processes of its own, so that the other cannot
# see them die.
# shellcheck source=sweeps.sh
. "$(dirname "$0")/sweeps.sh"
# shellcheck source=../../slurm/cluster/two_nodes.sh
. "$(dirname "$0")/../../slurm/cluster/two_nodes.sh"

unshare --pid --fork --mount-proc true 2>/dev/null || skip "no process name spaces for the nodes here"
start_cluster "$scratch/cluster"
cd "$scratch"
cat >grid.yaml <<'YAML'
base: base.yaml
set: {train.epochs: 600, train.checkpoint_epochs: 50}
method: grid
parameters: {optimizer.lr: {values: [1e-3, 3e-3, 1e-2, 3e-2]}}
YAML
printf '#!/bin/sh\nexec unshare --pid --fork --mount-proc --kill-child "%s" "$@"\n' "$crisol" >crisol-apart
chmod +x crisol-apart

# The ledger's whole lines: two tasks that append at once, or one that is killed, leave empty and torn ones, too.
events() {
    grep -s '^{.*}$' run/trials.jsonl || true
}

# epochs HOST: how many have ended on it
epochs() {
    events >events.jsonl
    python3 - "$1" <<'PY'
import json, sys
hosts, n = {}, 0
for event in map(json.loads, open("events.jsonl")):
    if event["event"] == "start":
        hosts[event["trial"], event["fence"]] = event["host"]
    n += event["event"] == "epoch" and hosts[event["trial"], event["fence"]] == sys.argv[1]
print(n)
PY
}
both_train() {
    [ "$(epochs n1)" -gt 20 ] && [ "$(epochs n2)" -gt 20 ]
}
has_state() {
    [ "$(job_state "$1")" = "$2" ]
}

job=$(CRISOL=$scratch/crisol-apart sbatch --parsable --no-requeue --array=0-1 --time=60 --cpus-per-task=2 --output='task-%a.out' \
    "$source_folder/slurm/sweep-array.sbatch" grid.yaml run --quiet)
wait_for 60 'training on both nodes' both_train
mapfile -t killed < <(pgrep -f -- 'sweep grid.yaml --output run --shard 1/2')
kill -9 "${killed[@]}"
events >events.jsonl
victim=$(python3 -c 'import json
events = [json.loads(line) for line in open("events.jsonl")]
print([e["trial"] for e in events if e["event"] == "start" and e["host"] == "n2"][-1])')
wait_for 30 'the end of the killed task' has_state "${job}_1" FAILED
wait_for 300 'the end of the other task' has_state "${job}_0" COMPLETED
grep 'shown no sign of life' task-0.out || { cat task-0.out; fail "nobody spoke of taking over"; }
grep -E 'shard 0 of 2, start 0: exit code 0' task-0.out
events >events.jsonl
python3 - "$victim" <<'PY'
import json, sys
events = [json.loads(line) for line in open("events.jsonl")]
starts = [e for e in events if e["event"] == "start" and e["trial"] == sys.argv[1]]
ends = [e for e in events if e["event"] == "end"]
assert [e["host"] for e in starts] == ["n2", "n1"], starts
assert len(ends) == len({e["trial"] for e in ends}) == 4, ends
print("ok: trial", sys.argv[1], "began on n2 and ended on n1; four trials, four ends")
PY

# undisturbed: by srun, on two ranks that are a group each
srun --mpi=pmix -N 2 -n 2 "$crisol" sweep grid.yaml --output undisturbed >srun.out 2>&1 || { cat srun.out; fail "srun on two nodes"; }
grep 'on 2 groups' srun.out || { cat srun.out; fail "srun made no two groups"; }
content undisturbed >undisturbed.txt
content run | diff undisturbed.txt - || fail "the array ends in another way than the undisturbed sweep"
cat undisturbed.txt
