#!/usr/bin/env bash
# SIGKILL of a rank, of rank 0, of mpirun at random instants of a short training; each time nothing may be left running,
# and a resume must end in the undisturbed bytes.
#   fault_kills.sh SCRATCH PACKS [--kills N]
# shellcheck source=faults.sh
. "$(dirname "$0")/faults.sh"

kills=20
[ "${3:-}" != --kills ] || kills=${4:?--kills N}
RANDOM=1
two=(mpirun --oversubscribe --bind-to none -n 2)
undisturbed
train timed
start=$(date +%s%N)
"${two[@]}" "${command[@]}"
span_ms=$((($(date +%s%N) - start) / 1000000))
echo "an undisturbed training on two ranks takes $span_ms ms"

# all_gone PID…: within 10 s
all_gone() {
    local pid
    for _ in $(seq 100); do
        local left=0
        for pid in "$@"; do
            # what nobody has buried yet (Z) runs no more
            if [ -r "/proc/$pid/stat" ] && ! grep -q ') Z' "/proc/$pid/stat" 2>/dev/null; then left=1; fi
        done
        [ "$left" = 0 ] && return 0
        sleep 0.1
    done
    return 1
}

n_hit=0
for i in $(seq "$kills"); do
    rm -rf "$scratch/run"
    train run
    "${two[@]}" "${command[@]}" >"$scratch/out.txt" 2>&1 &
    launcher=$!
    at_ms=$((RANDOM % span_ms))
    sleep "$((at_ms / 1000)).$(printf %03d $((at_ms % 1000)))"
    mapfile -t ranks < <(pgrep -P "$launcher" crisol || true)
    case $((i % 3)) in
        0) victim=$launcher what=mpirun ;;
        1) victim=${ranks[0]:-$launcher} what='rank 0' ;;
        2) victim=${ranks[1]:-$launcher} what='rank 1' ;;
    esac
    if kill -9 "$victim" 2>/dev/null; then n_hit=$((n_hit + 1)); fi
    wait "$launcher" 2>/dev/null || true
    if ! all_gone "$launcher" ${ranks[@]+"${ranks[@]}"}; then
        losses=$((losses + 1))
        echo "LOST: $what killed at $at_ms ms: a process is left"
        kill -9 ${ranks[@]+"${ranks[@]}"} 2>/dev/null || true
    fi
    case $((i % 2)) in # at another number of ranks
        0) must_resume run "$what killed at $at_ms ms" ;;
        1) must_resume run "$what killed at $at_ms ms" mpirun --oversubscribe --bind-to none -n $((1 + i % 4)) ;;
    esac
done
echo "$n_hit of $kills hit a process that was running"
finish "kills of a rank or of mpirun"
