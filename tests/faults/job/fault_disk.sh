#!/usr/bin/env bash
# A disk that fills up while the training runs, or turns read-only, writes that stop half-way, a pack that disappears: the
# documented exit code, the checkpoints stand, and when all is well again the training goes on.
# shellcheck source=faults.sh
. "$(dirname "$0")/faults.sh"

mkdir -p "$scratch/small"
{ [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=4m tmpfs "$scratch/small" 2>/dev/null; } ||
    skip "a small disk needs root and mount"
live_pid=''
clean_up() {
    [ -z "$live_pid" ] || kill -9 "$live_pid" 2>/dev/null || true
    umount "$scratch/small/run" "$scratch/small" 2>/dev/null || true
}
trap clean_up EXIT
undisturbed
ln -s small/run "$scratch/run"

for room_k in 0 20 60 100; do # a checkpoint takes 120
    rm -rf "$scratch"/small/*
    mkdir "$scratch/small/run"
    command=("$crisol" train "$scratch/train.yaml" --output "$scratch/small/run" --quiet)
    code=0
    "${command[@]}" --set train.stop_after_steps=10 || code=$?
    [ "$code" = 75 ] || fail "the first part gave $code"
    free_k=$(df -k --output=avail "$scratch/small" | tail -n 1)
    head -c $(((free_k - room_k) * 1024)) /dev/zero >"$scratch/small/filler"
    code=0
    "${command[@]}" 2>"$scratch/err.txt" || code=$?
    { [ "$code" = 74 ] && grep -q 'No space' "$scratch/err.txt"; } || { cat "$scratch/err.txt"; fail "a full disk gave $code"; }
    rm "$scratch/small/filler"
    if find "$scratch/small/run" -name '*.tmp-*' | grep .; then fail "a temporary file was left"; fi
    command=()
    tries=$((tries + 1))
    "$crisol" train "$scratch/train.yaml" --output "$scratch/small/run" --quiet --resume must || fail "no resume after a full disk"
    result small/run >"$scratch/resumed.txt"
    cmp "$scratch/undisturbed.txt" "$scratch/resumed.txt" || losses=$((losses + 1))
done
finish "disks that filled up"

# files may grow to so many kB: the write that goes beyond is a short one, the next an error
tries=0
rm -f "$scratch/run"
for limit_k in 8 40 64 100 116; do # the tensors take 117
    rm -rf "$scratch/run"
    train run --set train.stop_after_steps=10
    "${command[@]}" 2>/dev/null || [ $? = 75 ]
    train run
    code=0
    (trap '' XFSZ && ulimit -f "$limit_k" && "${command[@]}") 2>"$scratch/err.txt" || code=$?
    [ "$code" = 74 ] || { cat "$scratch/err.txt"; fail "writes that stop half-way gave $code"; }
    must_resume run "writes that stop at $limit_k kB"
done
finish "writes that stopped half-way"

# live RUN: a training without end, which has a checkpoint; its process id is $live_pid
live() {
    rm -rf "${scratch:?}/$1"
    train "$1" --set train.epochs=1000000 --set train.checkpoint_steps=1000 --set train.heartbeat=1
    "${command[@]}" >"$scratch/out.txt" 2>&1 &
    live_pid=$!
    for _ in $(seq 300); do
        [ -z "$(find "$scratch/$1/checkpoints" -name '*.json' 2>/dev/null)" ] || return 0
        sleep 0.1
    done
    fail "no checkpoint in 30 s"
}

# the run directory is read-only from now on: under the training, and for a new start
tries=0
rm -rf "$scratch"/small/*
live small/run
mount --bind "$scratch/small/run" "$scratch/small/run"
mount -o remount,bind,ro "$scratch/small/run"
code=0
wait "$live_pid" || code=$?
{ [ "$code" = 74 ] || [ "$code" = 77 ]; } && grep -q 'Read-only' "$scratch/out.txt" || { cat "$scratch/out.txt"; fail "read-only gave $code"; }
train small/run
expect_code 77 'Read-only' "${command[@]}"
umount "$scratch/small/run"
"$crisol" verify "$scratch/small/run" || losses=$((losses + 1))
tries=$((tries + 1))
train small/run --set train.epochs=1000000 --set train.checkpoint_steps=1000 --set train.stop_after_steps=1 --resume must
code=0
"${command[@]}" 2>"$scratch/err.txt" || code=$?
[ "$code" = 75 ] || { losses=$((losses + 1)) && cat "$scratch/err.txt"; }
finish "run directories that turned read-only"

# the pack is gone: what is open stays open; a new start says so, and goes on when the pack is back
tries=0
cp -r "$pack" "$scratch/pack"
sed -i "s|pack: [^,]*|pack: $scratch/pack|" "$scratch/train.yaml"
live run
mv "$scratch/pack" "$scratch/pack-gone"
kill -USR1 "$live_pid"
code=0
wait "$live_pid" || code=$?
[ "$code" = 75 ] || { cat "$scratch/out.txt"; fail "a training whose pack was moved away left with $code instead of 75"; }
train run --set train.epochs=1000000 --set train.checkpoint_steps=1000
expect_code 66 "$scratch/pack/manifest.json" "${command[@]}"
mkdir "$scratch/pack" && cp "$scratch/pack-gone/manifest.json" "$scratch/pack"
expect_code 66 "$scratch/pack/.*\\.h5" "${command[@]}"
rm -r "$scratch/pack" && mv "$scratch/pack-gone" "$scratch/pack"
tries=$((tries + 1))
code=0
"${command[@]}" --set train.stop_after_steps=1 --resume must 2>"$scratch/err.txt" || code=$?
[ "$code" = 75 ] || { losses=$((losses + 1)) && cat "$scratch/err.txt"; }
finish "packs that disappeared"
