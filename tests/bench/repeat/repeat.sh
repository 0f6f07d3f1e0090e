#!/usr/bin/env bash
# A run repeated from its record at another number of ranks and workers ends in the same weights and metrics; what was
# changed since is found and named.
# shellcheck source=../../support/shell.sh
. "$(dirname "$0")/../../support/shell.sh"

rm -rf "${scratch:?}"
mkdir -p "$scratch"
pack=$scratch/packs/first
mkdir -p "$scratch/packs"
cp -r "$2/synthetic-pack" "$pack"
cd "$scratch"
printf '{data: {pack: packs/first, batch: 8, micro_batch: 2, limit_train: 24, limit_val: 8}, train: {epochs: 2},
    cpu: {eval_batch: 4}, model: {inputs: metadata}, schedule: {name: cosine}}\n' >table.yaml
sed 's/epochs: 2/epochs: 4/' table.yaml >long.yaml

launcher=(mpirun --oversubscribe --bind-to none -n)
# repeat CODE PATTERN OUTPUT COMMAND…: the exit code, and a line of the output or of standard error
repeat() {
    local code=$1 pattern=$2 got=0
    shift 2
    timeout 120 "$@" --quiet >"$scratch/out.txt" 2>&1 || got=$?
    [ "$got" = "$code" ] || { cat "$scratch/out.txt"; fail "exit code $got instead of $code: $*"; }
    grep -Eq -- "$pattern" "$scratch/out.txt" || { cat "$scratch/out.txt"; fail "no line like '$pattern': $*"; }
    printf 'ok %s: %s\n' "$code" "$(grep -E -m 1 -- "$pattern" "$scratch/out.txt")"
}

# trained on two ranks; repeated on three, and on one with three workers
ranks 2 "$crisol" train table.yaml --output plain --quiet
repeat 0 'identical: 2 epochs, 6 steps' "${launcher[@]}" 3 "$crisol" repeat plain --output plain-3
repeat 0 'identical: 2 epochs, 6 steps' "$crisol" repeat plain --output plain-1 --set cpu.workers=3
python3 -m json.tool plain-3/repeat.json | grep '"identical": true' >/dev/null || fail "repeat.json does not say so"
"$crisol" inspect plain --record | python3 -c 'import json, sys; json.load(sys.stdin)' || fail "--record prints no JSON"

# stopped and gone on with at another number of ranks, then moved: the record still knows how it began
code=0
"$crisol" train long.yaml --output table --quiet --set train.stop_after_steps=5 2>/dev/null || code=$?
[ "$code" = 75 ] || fail "stopping gave $code"
ranks 2 "$crisol" train long.yaml --output table --quiet
"$crisol" inspect table --record >record.txt
[ "$(grep -c '"from_step"' record.txt)" = 2 ] || fail "the record does not have both starts"
grep -q '"ranks": 1,' record.txt || fail "the record lost the facts of the first start"
mv table moved
rm moved/config.yaml moved/journal.jsonl moved/metrics.csv
repeat 0 'identical: 4 epochs, 12 steps' "${launcher[@]}" 4 "$crisol" repeat moved --output table-4
mv packs elsewhere
repeat 66 'no longer .*--packs' "$crisol" repeat moved --output lost
repeat 0 'identical' "$crisol" repeat moved --output found --packs elsewhere
mv elsewhere packs

# another seed, another option
repeat 65 'differ before the first step.*config.train.seed' "$crisol" repeat moved --output seed --set train.seed=2
repeat 65 'in epoch 1, after step 0 and by step 3.*config.optimizer.lr' "$crisol" repeat moved --output rate --set optimizer.lr=0.1
# the first epoch of a cosine has the whole learning rate, so a constant one differs from the second on
repeat 65 'in epoch 2, after step 3 and by step 6.*config.schedule.name' "$crisol" repeat moved --output late \
    --set schedule.name=constant

# a record that somebody changed is not believed, and told where it contradicts itself or the rest of the run
cp -r plain seed-changed
sed -i 's/^ "seed": 1,/ "seed": 2,/' seed-changed/record.json
repeat 65 'was changed .* its seed is 2, but that of its config 1' "$crisol" repeat seed-changed --output none
cp -r plain option-changed
sed -i 's/lr: 0.001/lr: 0.002/' option-changed/record.json
repeat 65 'was changed .* optimizer.lr: 0.001 → 0.002' "$crisol" repeat option-changed --output none
expect_code 65 'was changed' "$crisol" inspect option-changed --record
repeat 66 'record.json' "$crisol" repeat nothing --output none
repeat 64 'holds a training already' "$crisol" repeat plain --output plain-1
