#!/usr/bin/env bash
# A stop signal, and the hours that a sweep was given: every group saves and leaves with 75; run again, it ends like the
# undisturbed sweep. A job of an array takes over what another one has lost.
# shellcheck source=sweeps.sh
. "$(dirname "$0")/sweeps.sh"

cat >"$scratch/grid.yaml" <<'YAML'
base: base.yaml
set: {train.epochs: 300, train.checkpoint_epochs: 1000}
method: grid
parameters: {optimizer.lr: {values: [1e-3, 1e-2, 1e-1]}}
YAML
two=(mpirun --oversubscribe --bind-to none -n 2)
sweep=("$crisol" sweep "$scratch/grid.yaml" --quiet)
"${sweep[@]}" --output "$scratch/undisturbed"
content "$scratch/undisturbed" >"$scratch/undisturbed.txt"
cat "$scratch/undisturbed.txt"

wait_for_epochs() { # DIR N
    for _ in $(seq 400); do
        n=$(grep -c '"event": "epoch"' "$1/trials.jsonl" 2>/dev/null || true)
        [ "${n:-0}" -ge "$2" ] && return 0
        sleep 0.05
    done
    fail "$1: no $2 epochs"
}

must_end_alike() { # DIR WHAT COMMAND…
    local folder=$1 what=$2
    shift 2
    "$@" --output "$folder" || fail "$what: did not go on"
    content "$folder" | diff "$scratch/undisturbed.txt" - || fail "$what: ends in another way"
    echo "ok: $what"
}

# both groups by one signal to the launcher, then one group by a signal to its only rank: the other one follows
for whom in launcher rank; do
    folder=$scratch/$whom
    "${two[@]}" "${sweep[@]}" --output "$folder" 2>/dev/null &
    launcher=$!
    wait_for_epochs "$folder" 30
    if [ "$whom" = launcher ]; then kill -USR1 "$launcher"; else kill -USR1 "$(pgrep -P "$launcher" -n crisol)"; fi
    code=0
    wait "$launcher" || code=$?
    [ "$code" = 75 ] || fail "a signal to the $whom gave exit code $code instead of 75"
    column "$folder" state
    must_end_alike "$folder" "stopped by a signal to the $whom" "${sweep[@]}"
done

# the hours
sed 's/grid$/grid\nhours: 0.0003/' "$scratch/grid.yaml" >"$scratch/hours.yaml"
code=0
"$crisol" sweep "$scratch/hours.yaml" --quiet --output "$scratch/hours" --set train.epochs=1000000 || code=$?
[ "$code" = 75 ] || fail "after its hours a sweep gave exit code $code instead of 75"

# one of two jobs is killed: the other one trains what it had, and its own; a job that stands still is followed, too
for signal in KILL STOP; do
    folder=$scratch/array-$signal
    "${sweep[@]}" --output "$folder" --shard 1/2 &
    victim=$!
    wait_for_epochs "$folder" 30
    kill "-$signal" "$victim"
    must_end_alike "$folder" "after SIG$signal of one of two jobs" "${sweep[@]}" --shard 0/2
    if [ "$signal" = STOP ]; then
        kill -CONT "$victim" # it finds its trial in other hands, and nothing left to do
        code=0
        wait "$victim" || code=$?
        [ "$code" = 0 ] || fail "the job that stood still left with $code"
        content "$folder" | diff "$scratch/undisturbed.txt" - || fail "the job that stood still changed something"
    fi
done

# a disk that is full: 74, and when there is room again, the same end
mkdir -p "$scratch/small"
if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=350k tmpfs "$scratch/small" 2>/dev/null; then
    trap 'umount "$scratch/small"' EXIT
    expect_code 74 'No space' "${sweep[@]}" --output "$scratch/small/sweep"
    mount -o remount,size=64m "$scratch/small"
    must_end_alike "$scratch/small/sweep" "a disk that was full" "${sweep[@]}"
else
    echo "skipped: full disk (needs root and mount)"
fi
