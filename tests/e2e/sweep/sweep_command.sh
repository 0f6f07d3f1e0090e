#!/usr/bin/env bash
# What a sweep file makes of itself: the table before, errors, a failing trial, groups of ranks, pruning, the table after.
# shellcheck source=sweeps.sh
. "$(dirname "$0")/sweeps.sh"

cat >"$scratch/grid.yaml" <<'YAML'
base: base.yaml
method: grid
seeds: 2
metric: {name: val/f1_macro, goal: maximize}
parameters:
  optimizer.lr: {values: [1e-3, 1e-1]}
  data.micro_batch: {values: [4, 3]} # 3 does not divide the batch
YAML
sweep=("$crisol" sweep "$scratch/grid.yaml")
two=(mpirun --oversubscribe --bind-to none -n 2)

# the table; nothing is made
"${sweep[@]}" --dry-run --output "$scratch/none" >"$scratch/table.txt"
cat "$scratch/table.txt"
[ "$(wc -l <"$scratch/table.txt")" = 9 ] || fail "4 points with 2 seeds make 8 trials"
grep -Eq '^ *5 +[0-9a-f]{16} +2 +0\.1 +4$' "$scratch/table.txt" || fail "trial 5 is not seed 2 of 0.1, 4"
[ ! -e "$scratch/none" ] || fail "a dry run made a folder"
"${two[@]}" "${sweep[@]}" --dry-run | cmp - "$scratch/table.txt" || fail "on two ranks the table is another one"

# errors: what, where
expect_code 64 'SWEEP' "$crisol" sweep
expect_code 64 '--output' "${sweep[@]}"
expect_code 64 'I/N' "${sweep[@]}" --output "$scratch/none" --shard 2/2
expect_code 66 'absent.yaml' "$crisol" sweep "$scratch/absent.yaml" --output "$scratch/none"
expect_code 66 'nowhere' "${sweep[@]}" --output "$scratch/none" --set "data.pack=$scratch/nowhere"
expect_code 78 'optimizer.lrr.*optimizer.lr' "${sweep[@]}" --output "$scratch/none" --set optimizer.lrr=1
sed 's/optimizer.lr/optimizer.lrr/' "$scratch/grid.yaml" >"$scratch/typo.yaml"
expect_code 78 "typo.yaml:6:3: .*optimizer.lrr.*did you mean 'optimizer.lr'" "$crisol" sweep "$scratch/typo.yaml" --dry-run
{ cat "$scratch/grid.yaml" && echo 'ranks: 3'; } >"$scratch/wide.yaml"
expect_code 78 'takes 3 ranks, but there are 2' "${two[@]}" "$crisol" sweep "$scratch/wide.yaml" --output "$scratch/wide"

# half of it cannot work: the other half is done, the causes stand in the table, the exit code is the first one's
expect_code 78 '4 of 8 trials failed.*micro_batch' "${sweep[@]}" --output "$scratch/alone"
[ "$(column "$scratch/alone" state)" = "done done failed failed done done failed failed" ] || fail "$(column "$scratch/alone" state)"
grep -q '"rank 0\|does not divide' "$scratch/alone/sweep.csv" || fail "no cause in sweep.csv"
expect_code 78 '4 of 8 trials failed' "${two[@]}" "${sweep[@]}" --output "$scratch/groups"
grep -E '4 of 8|trainings in .* on 2 groups' "$scratch/err.txt"
content "$scratch/alone" >"$scratch/alone.txt"
content "$scratch/groups" >"$scratch/groups.txt"
diff "$scratch/alone.txt" "$scratch/groups.txt" || fail "two groups come to another end than one"

# seeds have an interval around their mean
python3 - "$scratch/alone/sweep.csv" <<'PY'
import csv, sys
rows = list(csv.DictReader(open(sys.argv[1], newline="")))
for a, b in ((0, 1), (4, 5)):
    x, y = (float(rows[i]["val/f1_macro"]) for i in (a, b))
    mean, half = (x + y) / 2, 12.7062 * abs(x - y) / 2  # t(0.975, 1) s / sqrt(2)
    for i in (a, b):
        got = [float(rows[i][k]) for k in ("mean", "low", "high")]
        assert all(abs(g - w) < 1e-4 for g, w in zip(got, (mean, mean - half, mean + half))), (got, mean, half)
print("ok: intervals over seeds")
PY

# nothing is run again; a changed file runs what is new; --retry runs what failed
before=$(ends "$scratch/alone")
expect_code 78 '4 of 8' "${sweep[@]}" --output "$scratch/alone"
[ "$(ends "$scratch/alone")" = "$before" ] || fail "something was run again"
sed 's/\[4, 3\]/[4]/; s/1e-3, 1e-1/1e-3, 1e-2, 1e-1/' "$scratch/grid.yaml" >"$scratch/more.yaml"
"$crisol" sweep "$scratch/more.yaml" --output "$scratch/alone" 2>"$scratch/err.txt"
grep '^2 trainings' "$scratch/err.txt" || { cat "$scratch/err.txt"; fail "of six trials four were done"; }
[ "$(column "$scratch/alone" state)" = "done done done done done done" ] || fail "more: $(column "$scratch/alone" state)"
expect_code 78 '4 of 8' "${sweep[@]}" --output "$scratch/alone" --retry
grep '^4 trainings' "$scratch/err.txt" || fail "--retry did not run the four that failed"

# ranks of a trial
sed 's/\[4, 3\]/[4]/' "$scratch/grid.yaml" >"$scratch/pairs.yaml"
echo 'ranks: 2' >>"$scratch/pairs.yaml"
mpirun --oversubscribe --bind-to none -n 5 "$crisol" sweep "$scratch/pairs.yaml" --output "$scratch/pairs" 2>"$scratch/err.txt" ||
    { cat "$scratch/err.txt"; fail "groups of two ranks"; }
grep -q '5 ranks make 2 groups of 2; 1 of them' "$scratch/err.txt" || fail "nobody spoke of the rank that is left over"
weights() { # of the trials that are done, by id
    grep ',done,' | cut -d , -f 1,2,4
}
diff <(content "$scratch/pairs" | weights) <(weights <"$scratch/alone.txt") || fail "two ranks a trial give other weights"

# halving prunes, a pruned trial keeps its checkpoint and is promoted when others turn out worse; the median rule
cat >"$scratch/halving.yaml" <<'YAML'
base: base.yaml
set: {train.epochs: 9}
method: halving
trials: 9
parameters:
  optimizer.lr: {range: [1e-5, 1e-1], scale: log}
  model.head.dropout: {range: [0, 0.6]}
YAML
"$crisol" sweep "$scratch/halving.yaml" --output "$scratch/halving" --quiet
states=$(column "$scratch/halving" state)
epochs=$(column "$scratch/halving" epochs)
echo "halving: $states; epochs $epochs"
[[ $states == *pruned* && $states == *"done"* && $epochs == *9* && $epochs == *1* ]] || fail "halving pruned nothing"
for id in $(awk -F , '$3 == "pruned" {print $2}' "$scratch/halving/sweep.csv"); do
    [ -n "$(find "$scratch/halving/trials/$id/checkpoints" -name '*.safetensors')" ] || fail "pruned trial $id has no checkpoint"
done
sed 's/method: halving/method: random\nprune: {rule: median, epochs: 2, trials: 3}/' "$scratch/halving.yaml" >"$scratch/median.yaml"
"$crisol" sweep "$scratch/median.yaml" --output "$scratch/median" --quiet
echo "median: $(column "$scratch/median" state); epochs $(column "$scratch/median" epochs)"
[[ $(column "$scratch/median" state) == *pruned* ]] || fail "the median rule pruned nothing"
# without a rule the pruned ones go on to their end, from where they were
sed 's/method: halving/method: random/' "$scratch/halving.yaml" >"$scratch/all.yaml"
"$crisol" sweep "$scratch/all.yaml" --output "$scratch/halving" --quiet
"$crisol" sweep "$scratch/all.yaml" --output "$scratch/whole" --quiet
diff <(content "$scratch/halving") <(content "$scratch/whole") || fail "what was pruned and went on ends in another way"

# the table after
"$crisol" inspect "$scratch/whole" | tee "$scratch/inspect.txt"
best=$(python3 -c 'import csv, sys
rows = list(csv.DictReader(open(sys.argv[1], newline="")))
print(max(rows, key=lambda r: float(r["val/f1_macro"]))["val/f1_macro"])' "$scratch/whole/sweep.csv")
grep -Eq "^ +1 +$(printf %.4f "$best") " "$scratch/inspect.txt" || fail "the best is not the first"
{ grep -q 'optimizer.lr$' "$scratch/inspect.txt" && grep -q ' … ' "$scratch/inspect.txt"; } || fail "no marginal effects"
