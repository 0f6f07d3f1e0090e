#!/usr/bin/env bash
# A training of 60 steps, stopped after any of them at 1 to 4 ranks and gone on with at 1 to 4: one result.
#   fault_resumes.sh SCRATCH PACKS [--resumes N]
# Of the 59 x 4 x 4 = 944 cases, N are taken, evenly strewn; 944 are all.
export FAULT_EPOCHS=20
# shellcheck source=faults.sh
. "$(dirname "$0")/faults.sh"

resumes=20
[ "${3:-}" != --resumes ] || resumes=${4:?--resumes N}
cases=$((59 * 16))
lanes=$(nproc)

one_case() { # NUMBER: 0 … 943
    local step=$(($1 / 16 + 1)) before=$(($1 / 4 % 4 + 1)) after=$(($1 % 4 + 1)) code=0
    rm -rf "$scratch/run"
    train run --set "train.stop_after_steps=$step"
    timeout -k 5 120 mpirun --oversubscribe --bind-to none -n "$before" "${command[@]}" >"$scratch/out.txt" 2>&1 || code=$?
    if [ "$code" != 75 ] || ! tail -n 1 "$scratch/run/journal.jsonl" | grep -q "\"event\": \"stop\", \"step\": $step}"; then
        losses=$((losses + 1))
        echo "LOST: stopping after step $step on $before ranks gave $code"
    fi
    must_resume run "stopped after step $step on $before ranks, resumed on $after" mpirun --oversubscribe --bind-to none -n "$after"
}

cases_of_lane() {
    local i
    # 389 has no factor in common with 944, so the numbers go round through all cases without hitting one twice
    for i in $(seq "$1" "$lanes" $((resumes - 1))); do one_case $((i * 389 % cases)); done
}

[ "$resumes" -le "$cases" ] || fail "there are $cases cases"
undisturbed
in_lanes "$lanes" cases_of_lane
finish "resumes of a run of 60 steps, 1-4 ranks each"
