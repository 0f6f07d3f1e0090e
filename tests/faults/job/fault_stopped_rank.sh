#!/usr/bin/env bash
# A rank that stands still is named by another one, which ends the job; nothing is left, and a resume ends as it should.
# shellcheck source=faults.sh
. "$(dirname "$0")/faults.sh"

undisturbed
for victim in 0 1; do
    rm -rf "$scratch/run"
    train run --set train.watchdog=2 --set train.epochs=1000000 --set train.checkpoint_steps=50
    mpirun --oversubscribe --bind-to none -n 2 "${command[@]}" >"$scratch/out.txt" 2>&1 &
    launcher=$!
    for _ in $(seq 200); do
        [ -n "$(find "$scratch/run/checkpoints" -name '*.json' 2>/dev/null)" ] && break
        sleep 0.1
    done
    mapfile -t ranks < <(pgrep -P "$launcher" crisol)
    [ "${#ranks[@]}" = 2 ] || fail "there should be two ranks: ${ranks[*]}"
    kill -STOP "${ranks[$victim]}"
    start=$SECONDS
    code=0
    wait "$launcher" || code=$?
    [ "$code" = 70 ] || { cat "$scratch/out.txt"; fail "a stopped rank $victim gave exit code $code instead of 70"; }
    grep -E "rank $((1 - victim)) .*waited.*" "$scratch/out.txt" || { cat "$scratch/out.txt"; fail "nobody said that it waited"; }
    [ $((SECONDS - start)) -le 15 ] || fail "ending took $((SECONDS - start)) s"
    for _ in $(seq 50); do
        kill -0 "${ranks[@]}" 2>/dev/null || break
        sleep 0.1
    done
    if kill -0 "${ranks[$victim]}" 2>/dev/null; then fail "the stopped rank is left"; fi
    tries=$((tries + 1))
    train run --set train.stop_after_steps=1 --set train.epochs=1000000 --resume must
    code=0
    "${command[@]}" || code=$?
    [ "$code" = 75 ] || losses=$((losses + 1))
done
finish "ranks that stood still"
