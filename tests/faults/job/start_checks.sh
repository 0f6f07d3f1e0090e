#!/usr/bin/env bash
# What is wrong with the way a training is started is said in one line before the first step; a run directory has one
# writer at a time.
# shellcheck source=faults.sh
. "$(dirname "$0")/faults.sh"

says() { # PATTERN COMMAND…: a training that goes well, with this line of standard error
    local pattern=$1
    shift
    rm -rf "$scratch/run"
    "$@" 2>"$scratch/err.txt" || { cat "$scratch/err.txt"; fail "failed: $*"; }
    grep -E -m 1 -- "$pattern" "$scratch/err.txt" || { cat "$scratch/err.txt"; fail "no line like '$pattern'"; }
}

mpi=(mpirun --oversubscribe)
train run --set train.epochs=2
if [ "$(nproc)" -gt 1 ]; then
    says 'rank 0 is pinned to 1 core, .*--bind-to none' mpirun --bind-to core -n 1 "${command[@]}"
fi
says 'threads on the node of rank 0 share' "${mpi[@]}" --bind-to none -n 2 "${command[@]}" --set "cpu.workers=$(nproc)"
says 'SLURM_NTASKS.*1 ranks' env SLURM_NTASKS=4 "${command[@]}"

rm -rf "$scratch/run"
cp "$crisol" "$scratch/crisol-other"
echo >>"$scratch/crisol-other"
expect_code 78 'rank 1 runs another crisol' "${mpi[@]}" --bind-to none -n 1 "${command[@]}" : -n 1 "$scratch/crisol-other" "${command[@]:1}"
rm -rf "$scratch/run"
expect_code 66 'rank 1 .*not the run directory' "${mpi[@]}" --bind-to none -n 1 "${command[@]}" : -n 1 "${command[@]}" --output "$scratch/elsewhere"
expect_code 78 'MPI sees one|cannot find each other' env SLURM_STEP_NUM_TASKS=4 "${command[@]}"
if [ "$(id -u)" = 0 ] && mkdir -p "$scratch/small" && mount -t tmpfs -o size=200k tmpfs "$scratch/small" 2>/dev/null; then
    trap 'umount "$scratch/small"' EXIT
    expect_code 74 'No space for checkpoints' "${command[@]}" --output "$scratch/small/run"
fi

# the time limit stops a training by itself; so does the end of the Slurm job
rm -rf "$scratch/run"
train run --set train.epochs=1000000 --set train.time_margin=1
stops_by_itself() {
    local code=0
    timeout 30 "$@" || code=$?
    [ "$code" = 75 ] || fail "exit code $code instead of 75 before the time limit: $*"
    echo "ok 75: $(tail -n 1 "$scratch/run/journal.jsonl")"
}
stops_by_itself "${command[@]}" --set train.time_limit=4
stops_by_itself env SLURM_JOB_ID=1 "SLURM_JOB_END_TIME=$(($(date +%s) + 5))" "${command[@]}"

# one writer: the second start is refused while the first lives, and takes over when it stands still
rm -rf "$scratch/run"
train run --set train.epochs=1000000 --set train.heartbeat=0.5
"${command[@]}" 2>"$scratch/first.txt" &
first=$!
for _ in $(seq 100); do
    [ -s "$scratch/run/metrics.csv" ] && break
    sleep 0.1
done
expect_code 78 "pid $first is writing there" "${command[@]}"
kill -STOP "$first"
expect_code 75 'taking over' "${command[@]}" --set train.stop_after_steps=5
kill -CONT "$first"
code=0
wait "$first" || code=$?
{ [ "$code" = 78 ] && grep -q 'taken over' "$scratch/first.txt"; } || { cat "$scratch/first.txt"; fail "the former owner left with $code"; }
echo "ok: the former owner, woken up, publishes nothing: $(tail -n 1 "$scratch/first.txt")"

# what is there, in words; a damaged newest checkpoint is found, passed over, and the one before goes on
rm -rf "$scratch/run"
train run --set train.epochs=4
"${command[@]}"
"$crisol" inspect "$scratch/run" >"$scratch/out.txt"
{ grep -q 'progress *4 of 4 epochs, step 12' "$scratch/out.txt" && grep -q 'best' "$scratch/out.txt"; } || { cat "$scratch/out.txt"; fail "inspect"; }
"$crisol" verify "$scratch/run"
printf X | dd of="$scratch/run/checkpoints/step-12.safetensors" bs=1 seek=50000 conv=notrunc 2>/dev/null
expect_code 65 '1 of .* damaged.*step-12' "$crisol" verify "$scratch/run"
"$crisol" inspect "$scratch/run" | grep '12  damaged'
"${command[@]}" --resume must 2>"$scratch/err.txt"
grep 'passing over' "$scratch/err.txt" || fail "nobody said that the newest checkpoint was passed over"
"$crisol" verify "$scratch/run"
