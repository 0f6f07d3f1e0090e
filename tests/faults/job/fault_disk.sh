#!/usr/bin/env bash
# A disk that fills up while the training runs: 74, the checkpoints stand, and when there is room again all goes on.
# shellcheck source=faults.sh
. "$(dirname "$0")/faults.sh"

mkdir -p "$scratch/small"
{ [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=4m tmpfs "$scratch/small" 2>/dev/null; } ||
    skip "a small disk needs root and mount"
trap 'umount "$scratch/small"' EXIT
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
rm -f "$scratch/run"
finish "disks that filled up"
