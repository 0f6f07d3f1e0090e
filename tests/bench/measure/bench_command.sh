#!/usr/bin/env bash
# Every kind of benchmark runs, on one rank and on several, and its JSON is complete and consistent. No time is judged.
# shellcheck source=../../support/shell.sh
. "$(dirname "$0")/../../support/shell.sh"

rm -rf "${scratch:?}"
mkdir -p "$scratch/tmp"
check=$(cd "$(dirname "$0")" && pwd)/check_bench.py
pack=(--set "data.pack=$2/synthetic-pack")
cd "$scratch"
export TMPDIR=$scratch/tmp
small=(--repetitions 3 --warmup 1 --set data.batch=12 --set data.micro_batch=2 --set cpu.workers=1)
table=("${small[@]}" --set model.inputs=metadata)

"$crisol" bench "${table[@]}" --output train-1.json >train.txt
ranks 3 "$crisol" bench train "${table[@]}" "${pack[@]}" --scaling both --output train-3.json >train-3.txt
ranks 2 "$crisol" bench eval "${table[@]}" "${pack[@]}" --output eval.json >eval.txt
ranks 2 "$crisol" bench loader "${small[@]}" "${pack[@]}" --output loader.json >loader.txt
ranks 3 "$crisol" bench reduce "${table[@]}" --scaling strong --output reduce.json >reduce.txt
"$crisol" bench step "${table[@]}" "${pack[@]}" --warmup 0 --output step.json >step.txt
for kind in train-1 train-3 eval loader reduce step; do
    python3 "$check" "$kind.json" || fail "$kind.json is not what a benchmark leaves"
done
grep -q 'wait for data .* %' train.txt || fail "no share of the data wait is printed"
grep -Eq 'head.0 +dense +forward .* % +[a-z]+:?' train.txt || fail "no time by layer is printed"
grep -q 'price of order: .* ratio .* of a step' train-3.txt || fail "no price of order is printed"
[ "$(grep -cE '^ +[123] +(4|8|12) .* %$' train-3.txt)" = 6 ] || fail "no table of strong and weak scaling is printed"
grep -q 'price of order' reduce.txt || fail "no price of order is printed"
"$crisol" bench --join train-3.json train-1.json >joined.txt
[ "$(awk 'NR > 2 { print $2 }' joined.txt | tr '\n' ' ')" = '1 3 ' ] || { cat joined.txt; fail "runs are not joined by ranks"; }
expect_code 65 'benchmark of eval among those of train' "$crisol" bench --join train-1.json eval.json
printf '{"bench_format": 2}' >new.json
expect_code 65 'bench_format' "$crisol" bench --join new.json
expect_code 66 'nowhere' "$crisol" bench --join nowhere
expect_code 64 "no benchmark 'speed'" "$crisol" bench speed
expect_code 64 'repetitions' "$crisol" bench --repetitions 0
expect_code 78 'micro_batch' "$crisol" bench --set data.batch=5 --set data.micro_batch=2
expect_code 66 'cannot make a folder' "$crisol" bench --scratch "$scratch/nowhere"
expect_code 78 'at most 6 ranks' mpirun --oversubscribe --bind-to none -n 7 "$crisol" bench "${table[@]}" "${pack[@]}"
[ -z "$(ls "$scratch/tmp")" ] || fail "a synthetic pack was left behind: $(ls "$scratch/tmp")"
cat train-3.txt
