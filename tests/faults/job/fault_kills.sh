#!/usr/bin/env bash
# SIGKILL of a rank, of rank 0, of mpirun at random instants of a short training, of one from the start or of one that
# goes on after the kill before; each time nothing may be left running, and a resume must end in the undisturbed bytes.
#   fault_kills.sh SCRATCH PACKS [--kills N]
# shellcheck source=faults.sh
. "$(dirname "$0")/faults.sh"

kills=20
[ "${3:-}" != --kills ] || kills=${4:?--kills N}
lanes=$(nproc)
two=(mpirun --oversubscribe --bind-to none -n 2)

# ended PID: within 20 s. Open MPI 4.1.4's mpirun was seen to wait for ever when a rank was killed while it was being
# started; no training hangs with it.
ended() {
    local _
    for _ in $(seq 200); do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.1
    done
    return 1
}

# none_left: within 10 s no process has this lane's run directory in its command line
none_left() {
    local _
    for _ in $(seq 100); do
        pgrep -f -- "--output $scratch/run " >/dev/null || return 0
        sleep 0.1
    done
    return 1
}

# one_kill NUMBER: which victim, when, and how to go on follow from the number alone
one_kill() {
    local i=$1 at_ms launcher victim what ranks resume
    RANDOM=$i
    at_ms=$((RANDOM * span_ms / 32768))
    if [ $((i / lanes % 2)) = 1 ] && [ -d "$scratch/killed" ]; then
        rm -rf "$scratch/run" && mv "$scratch/killed" "$scratch/run"
    else
        rm -rf "$scratch/run"
    fi
    train run
    "${two[@]}" "${command[@]}" >"$scratch/out.txt" 2>&1 &
    launcher=$!
    sleep "$((at_ms / 1000)).$(printf %03d $((at_ms % 1000)))"
    mapfile -t ranks < <(pgrep -P "$launcher" crisol || true)
    case $((i % 3)) in
        0) victim=$launcher what=mpirun ;;
        1) victim=${ranks[0]:-$launcher} what='rank 0' ;;
        2) victim=${ranks[1]:-$launcher} what='rank 1' ;;
    esac
    if kill -9 "$victim" 2>/dev/null; then echo hit >>"$scratch/hits"; fi
    if ! ended "$launcher"; then
        echo "note: mpirun itself hung after the kill of $what at $at_ms ms (kill $i)"
        kill -9 "$launcher"
    fi
    wait "$launcher" 2>/dev/null || true
    if ! none_left; then
        losses=$((losses + 1))
        echo "LOST: $what killed at $at_ms ms (kill $i): a process is left"
        kill -9 ${ranks[@]+"${ranks[@]}"} 2>/dev/null || true
    fi
    rm -rf "$scratch/killed"
    [ ! -d "$scratch/run" ] || cp -r "$scratch/run" "$scratch/killed"
    resume=()
    [ $((RANDOM % 2)) = 0 ] || resume=(mpirun --oversubscribe --bind-to none -n $((1 + RANDOM % 4)))
    must_resume run "$what killed at $at_ms ms (kill $i)" ${resume[@]+"${resume[@]}"}
}

kills_of_lane() {
    local i
    for i in $(seq $((1 + $1)) "$lanes" "$kills"); do one_kill "$i"; done
}

undisturbed
# how long it takes while as many run as will
span() {
    train timed
    "${two[@]}" "${command[@]}"
}
start=$(date +%s%N)
in_lanes "$lanes" span
span_ms=$((($(date +%s%N) - start) / 1000000))
echo "undisturbed trainings on two ranks, $lanes at once, take $span_ms ms"
in_lanes "$lanes" kills_of_lane
echo "$(cat "$scratch"/lane-*/hits | wc -l) of $kills hit a process that was running"
finish "kills of a rank or of mpirun"
