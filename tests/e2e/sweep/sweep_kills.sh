#!/usr/bin/env bash
# SIGKILL at random instants of a sweep: alone with pruning, on two groups with a trial that fails. Run again, each ends
# like the undisturbed one.
#   sweep_kills.sh SCRATCH PACKS [--kills N]
# shellcheck source=sweeps.sh
. "$(dirname "$0")/sweeps.sh"

kills=20
[ "${3:-}" != --kills ] || kills=${4:?--kills N}
RANDOM=1
cat >"$scratch/alone.yaml" <<'YAML'
base: base.yaml
method: halving
trials: 5
prune: {factor: 2}
parameters:
  optimizer.lr: {range: [1e-4, 1e-1], scale: log}
YAML
cat >"$scratch/groups.yaml" <<'YAML'
base: base.yaml
method: grid
parameters:
  optimizer.lr: {values: [1e-3, 1e-2]}
  data.micro_batch: {values: [4, 3, 2]}
YAML
# shellcheck disable=SC2034 # both are used by their names
alone=("$crisol" sweep "$scratch/alone.yaml" --quiet --output)
# shellcheck disable=SC2034
groups=(mpirun --oversubscribe --bind-to none -n 2 "$crisol" sweep "$scratch/groups.yaml" --quiet --output)

# run KIND DIR: to the end; the second kind has a trial that cannot work
run() {
    local -n command=$1
    local code=0 wanted=0
    [ "$1" = alone ] || wanted=78
    timeout 120 "${command[@]}" "$2" >"$scratch/out.txt" 2>&1 || code=$?
    [ "$code" = "$wanted" ] || { cat "$scratch/out.txt"; fail "exit code $code instead of $wanted: $1"; }
}

declare -A span_ms
for kind in alone groups; do
    start=$(date +%s%N)
    run "$kind" "$scratch/undisturbed-$kind"
    span_ms[$kind]=$((($(date +%s%N) - start) / 1000000))
    content "$scratch/undisturbed-$kind" >"$scratch/$kind.txt"
    echo "undisturbed, $kind: ${span_ms[$kind]} ms"
    cat "$scratch/$kind.txt"
done

lost=0 hit=0 begun=0
for i in $(seq "$kills"); do
    kind=alone
    [ $((i % 2)) = 0 ] || kind=groups
    rm -rf "$scratch/run"
    declare -n command=$kind
    "${command[@]}" "$scratch/run" >/dev/null 2>&1 &
    victim=$!
    at_ms=$((RANDOM % span_ms[$kind]))
    sleep "$((at_ms / 1000)).$(printf %03d $((at_ms % 1000)))"
    if [ "$kind" = groups ] && [ $((i % 4)) = 1 ]; then
        mapfile -t ranks < <(pgrep -P "$victim" crisol || true)
        victim=${ranks[i / 4 % 2]:-$victim}
    fi
    if kill -9 "$victim" 2>/dev/null; then hit=$((hit + 1)); fi
    wait 2>/dev/null || true
    if [ -s "$scratch/run/trials.jsonl" ]; then begun=$((begun + 1)); fi
    run "$kind" "$scratch/run"
    content "$scratch/run" >"$scratch/run.txt"
    if ! diff "$scratch/$kind.txt" "$scratch/run.txt"; then
        lost=$((lost + 1))
        echo "LOST: $kind killed at $at_ms ms"
        cp -r "$scratch/run" "$scratch/lost-$i"
    fi
done
echo "$kills kills, $hit hit a process that was running, $begun of them a sweep that had begun, $lost ended otherwise"
[ "$lost" = 0 ] || fail "$lost sweeps ended in another way than the undisturbed one"
[ "$begun" -ge $((kills / 4)) ] || fail "too few kills hit a sweep that had begun"
