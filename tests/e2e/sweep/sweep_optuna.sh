#!/usr/bin/env bash
# The Optuna driver, where Optuna is or installs: prunes, survives its own death and a stop, trains nothing twice.
# shellcheck source=sweeps.sh
. "$(dirname "$0")/sweeps.sh"

venv=$scratch-venv
for python in "${CRISOL_PYTHON:-}" python3 "$venv/bin/python"; do
    if [ -n "$python" ] && "$python" -c 'from optuna.storages.journal import JournalFileBackend' 2>/dev/null; then break; fi
    python=''
done
if [ -z "$python" ]; then
    python3 -m venv "$venv" >/dev/null 2>&1 || skip "no Optuna, and no python3-venv to install it into"
    timeout 240 "$venv/bin/pip" install --quiet --timeout 10 --retries 1 'optuna>=4' >/dev/null 2>&1 || skip "no Optuna, and it does not install here"
    python=$venv/bin/python
fi
"$python" -c 'import optuna; print("Optuna", optuna.__version__)'

cat >"$scratch/optuna.yaml" <<'YAML'
base: base.yaml
set: {train.epochs: 40, train.checkpoint_epochs: 10}
metric: {name: val/loss, goal: minimize}
method: random # for crisol sweep; here Optuna's
trials: 8
prune: {rule: median, epochs: 3, trials: 2}
parameters:
  optimizer.lr: {range: [1e-7, 1e-1], scale: log}
  data.micro_batch: {values: [4, 8]}
  model.head.hidden: {values: [[8], [16, 8]]}
  schedule.step_size: {range: [1, 20]}
YAML
driver=("$python" "$source_folder/launch/optuna-sweep.py" "$scratch/optuna.yaml" --crisol "$crisol" --output)

count() { # DIR: trials in the study by state, FAIL only those that failed by themselves
    "$python" - "$1" <<'PY'
import collections, sys
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
optuna.logging.set_verbosity(optuna.logging.ERROR)
study = optuna.load_study(study_name="crisol", storage=JournalStorage(JournalFileBackend(sys.argv[1] + "/optuna.log")))
trials = [t for t in study.get_trials() if t.state.name != "FAIL" or "cause" in t.user_attrs]
print(*(f"{name} {n}" for name, n in sorted(collections.Counter(t.state.name for t in trials).items())))
PY
}

"${driver[@]}" "$scratch/whole"
states=$(count "$scratch/whole")
echo "$states"
[[ $states =~ COMPLETE\ ([0-9]+)\ PRUNED\ ([0-9]+) ]] || fail "nothing was pruned: $states"
[ $((BASH_REMATCH[1] + BASH_REMATCH[2])) = 8 ] || fail "8 trials were asked for: $states"
for run in "$scratch"/whole/trials/*; do
    "$crisol" verify "$run" >/dev/null || fail "$run has no good checkpoint"
done

# killed with its training, and stopped: what ran goes on from its checkpoint
begun() {
    for _ in $(seq 600); do
        n=$(cat "$1"/trials/*/journal.jsonl 2>/dev/null | grep -c '"event": "epoch"' || true)
        [ "${n:-0}" -ge "$2" ] && return 0
        sleep 0.05
    done
    fail "$1: no $2 epochs"
}
sed 's/epochs: 40/epochs: 200/; s/^prune.*//; s/^trials: 8/trials: 3/' "$scratch/optuna.yaml" >"$scratch/killed.yaml"
driver[2]=$scratch/killed.yaml
"${driver[@]}" "$scratch/killed" &
victim=$!
begun "$scratch/killed" 60
mapfile -t children < <(pgrep -P "$victim")
kill -9 "$victim" "${children[@]}"
wait "$victim" 2>/dev/null || true
"${driver[@]}" "$scratch/killed" &
victim=$!
begun "$scratch/killed" 240
kill -TERM "$victim"
code=0
wait "$victim" || code=$?
[ "$code" = 75 ] || fail "a stopped driver left with $code instead of 75"
"${driver[@]}" "$scratch/killed"
[ "$(count "$scratch/killed")" = "COMPLETE 3" ] || fail "$(count "$scratch/killed")"
for run in "$scratch"/killed/trials/*; do
    [ "$(grep -c '"event": "end"' "$run/journal.jsonl")" = 1 ] || fail "$run ended more often than once"
    [ "$(grep -c '"event": "epoch"' "$run/journal.jsonl")" = 200 ] || fail "$run has not 200 epochs"
done
[ "$(find "$scratch/killed/trials" -mindepth 1 -maxdepth 1 | wc -l)" = 3 ] || fail "three trials have other than three folders"
grep -qh '"event": "resume"' "$scratch"/killed/trials/*/journal.jsonl || fail "no trial went on from a checkpoint"
"${driver[@]}" "$scratch/killed" | tee "$scratch/again.txt"
[ "$(grep -c '^trial' "$scratch/again.txt")" = 0 ] || fail "a finished study ran again"

# a trial that cannot work is noted, and the study goes on
sed 's/\[4, 8\]/[4, 3]/; s/trials: 3/trials: 6/; s/epochs: 200/epochs: 3/' "$scratch/killed.yaml" >"$scratch/failing.yaml"
driver[2]=$scratch/failing.yaml
code=0
"${driver[@]}" "$scratch/failing" || code=$?
[ "$code" = 1 ] || fail "failing trials gave $code instead of 1"
[[ $(count "$scratch/failing") =~ COMPLETE.*FAIL ]] || fail "$(count "$scratch/failing")"
