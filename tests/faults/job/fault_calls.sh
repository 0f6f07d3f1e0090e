#!/usr/bin/env bash
# Every call that writes into the run directory, one by one: it fails with each error, or the process is killed at it,
# while a training that has one checkpoint writes the next. The old one must stand, and a resume must end in the
# undisturbed bytes.
# shellcheck source=faults.sh
. "$(dirname "$0")/faults.sh"

type strace >/dev/null 2>&1 || skip "no strace"
strace -f -o /dev/null -e inject=fsync:error=EIO:when=99 true 2>/dev/null || skip "strace may not trace here"
lanes=$(nproc)
export OMP_NUM_THREADS=1
sed -i 's/epochs: [0-9]*/epochs: 3/; s/checkpoint_steps: [0-9]*/checkpoint_steps: 0/' "$scratch/train.yaml"
undisturbed
train before --set train.stop_after_steps=4 --set cpu.workers=1
"${command[@]}" || [ $? = 75 ]

# inject CALL ERROR: the K-th such call fails with it, K = 1, 2, … until there are no more. when=K counts the calls of each
# thread by itself, so one K hits the K-th call of all: of the one that writes the checkpoint and of the one that writes the
# journal.
inject() {
    local call=$1 error=$2 action=error=$2 k code
    [ "$error" != KILL ] || action=signal=KILL
    for k in $(seq 40); do
        rm -rf "$scratch/run"
        cp -r "$before" "$scratch/run"
        train run --set cpu.workers=1 --resume must
        code=0
        { timeout 60 strace -f -y -o "$scratch/trace.txt" -e "trace=$call" -e "inject=$call:$action:when=$k" \
            "${command[@]}" >"$scratch/out.txt" 2>&1; } 2>/dev/null || code=$?
        grep -qE 'INJECTED|killed by SIGKILL' "$scratch/trace.txt" || break # fewer calls than that
        grep -E 'INJECTED|unfinished|= [?]' "$scratch/trace.txt" | grep -q "$scratch/run" || continue # another file
        case $code in
            0 | 66 | 70 | 74 | 77 | 137) ;;
            *) losses=$((losses + 1)) && echo "LOST: exit code $code at $call $k with $error" && cat "$scratch/out.txt" ;;
        esac
        must_resume run "$call $k with $error (exit code $code)"
    done
}

before=$scratch/before
injections_of_lane() {
    local i=0 call error
    for call in write pwrite64 fsync fdatasync rename,renameat,renameat2 ftruncate unlink,unlinkat mkdir; do
        for error in ENOSPC EIO EINTR KILL; do
            [ $((i++ % lanes)) != "$1" ] || inject "$call" "$error"
        done
    done
}
in_lanes "$lanes" injections_of_lane
finish "failing or killing calls of a save"
