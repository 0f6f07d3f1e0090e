#!/usr/bin/env bash
# A rank that stands still is named by another one, which ends the job; a rank whose memory fails is named before
# anything of it is saved. Nothing is left, and a resume goes on.
# shellcheck source=faults.sh
. "$(dirname "$0")/faults.sh"

launcher=''
trap '[ -z "$launcher" ] || kill "$launcher" 2>/dev/null || true' EXIT
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

# a bit flips in one of three ranks' weights, which a learning rate of nothing keeps as they are
tries=0
for victim in 0 1 2; do
    rm -rf "$scratch/run"
    frozen=(--set train.epochs=1000000 --set train.checkpoint_steps=50 --set optimizer.lr=1e-30)
    train run "${frozen[@]}"
    mpirun --oversubscribe --bind-to none -n 3 "${command[@]}" >"$scratch/out.txt" 2>&1 &
    launcher=$!
    for _ in $(seq 300); do
        tensors=$(find "$scratch/run/checkpoints" -name 'step-*.safetensors' 2>/dev/null | head -n 1 || true)
        [ -z "$tensors" ] || break
        sleep 0.1
    done
    cp "$tensors" "$scratch/weights.safetensors" 2>/dev/null || cp "$scratch"/run/checkpoints/*.safetensors "$scratch/weights.safetensors"
    mapfile -t ranks < <(pgrep -P "$launcher" crisol)
    # the ranks' order of birth is that of their numbers
    python3 "$(dirname "$0")/flip_weight.py" "${ranks[$victim]}" "$scratch/weights.safetensors" || fail "no weights found in rank $victim"
    code=0
    wait "$launcher" || code=$?
    [ "$code" = 70 ] || { tail -n 20 "$scratch/out.txt"; fail "a flipped bit in rank $victim gave exit code $code instead of 70"; }
    grep -E "weights of rank $victim differ" "$scratch/out.txt" || { tail -n 20 "$scratch/out.txt"; fail "rank $victim was not named"; }
    tries=$((tries + 1))
    "$crisol" verify "$scratch/run" || losses=$((losses + 1))
    code=0
    "${command[@]}" --set train.stop_after_steps=1 --resume must 2>/dev/null || code=$?
    [ "$code" = 75 ] || losses=$((losses + 1))
done
finish "bits that flipped in a rank's weights"
