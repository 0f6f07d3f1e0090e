#!/usr/bin/env bash
# Gradients by NCCL, where a fake libnccl.so.2 stands in for it (CRISOL_FAKES) and a program whose memory pretends to be a GPU's
# (CRISOL_PRETEND): the bytes are those of MPI, at any number of ranks. Whatever fails is said in one line, all ranks leave with the documented
# code, and what was saved goes on.
# shellcheck source=../../support/shell.sh
. "$(dirname "$0")/../../support/shell.sh"

pack=$2/synthetic-pack
program=${CRISOL_PRETEND:?}
export LD_LIBRARY_PATH=${CRISOL_FAKES:?}/whole
echo '{}' >"$scratch/empty.yaml"
common=(--set "data.pack=$pack" --set data.batch=16 --set data.micro_batch=4 --set data.limit_train=48 --set data.limit_val=8
    --set train.epochs=2 --set model.inputs=metadata --set optimizer.lr=1e-3 --set cpu.workers=1)

train() { # NAME PROGRAM RANKS [MORE…]
    local name=$1 program=$2 n=$3
    shift 3
    ranks "$n" "$program" train "$scratch/empty.yaml" --output "$scratch/$name" --quiet "${common[@]}" "$@"
}

failing() { # CODE PATTERN NAME PROGRAM RANKS [MORE…]
    local code=$1 pattern=$2 name=$3 program=$4 n=$5
    shift 5
    expect_code "$code" "$pattern" mpirun --oversubscribe --bind-to none -n "$n" "$program" train "$scratch/empty.yaml" \
        --output "$scratch/$name" --quiet "${common[@]}" "$@"
}

sums() {
    (cd "$scratch/$1" && sha256sum "$(printf "%s\n" checkpoints/*.safetensors | sort -V | tail -n 1)" && cut -d , -f 1-7 metrics.csv)
}

same() { # NAME RANKS
    sums "$1" >"$scratch/$1.sums"
    diff "$scratch/mpi.sums" "$scratch/$1.sums" || fail "$1 differs from MPI's"
    echo "ok: NCCL at $2 ranks: the same bytes as one rank"
}

rm -rf "${scratch:?}"/*/
train mpi "$crisol" 1
sums mpi >"$scratch/mpi.sums"
! grep -q '"NCCL": ' "$scratch/mpi/record.json" || fail "the record lists NCCL, which was not used"
for n in 2 3 4; do
    train "nccl-$n" "$program" "$n" --set device.transport=nccl
    same "nccl-$n" "$n"
    grep -q '"transport": "NCCL 2\.' "$scratch/nccl-$n/journal.jsonl" || fail "the journal does not name NCCL"
    grep -q '"NCCL": "2\.' "$scratch/nccl-$n/record.json" || fail "the record does not list NCCL"
done
train library "$program" 3 --set train.reduction=library
grep -q '"event": "end"' "$scratch/library/journal.jsonl" || fail "no training by NCCL's all-reduce"

ranks 3 "$program" bench reduce --set model.inputs=metadata --set data.batch=6 --set data.micro_batch=1 --repetitions 2 \
    --output "$scratch/reduce.json" >"$scratch/reduce.txt"
grep -q '^  ncclAllReduce ' "$scratch/reduce.txt" || fail "no price of order against NCCL's all-reduce"
grep -q '"transport": "NCCL 2' "$scratch/reduce.json" || fail "the benchmark does not name NCCL"

# where there is no NCCL, auto says so once and goes through the host; asked for, it is missing
export LD_LIBRARY_PATH=$CRISOL_FAKES/none
ranks 2 "$program" train "$scratch/empty.yaml" --output "$scratch/none" "${common[@]}" 2>"$scratch/none.txt"
same none 2
[ "$(grep -c 'without NCCL: rank 0 .*libnccl' "$scratch/none.txt")" = 1 ] || fail "no line, or several, about the missing NCCL"
for folder in none without-send; do
    export LD_LIBRARY_PATH=$CRISOL_FAKES/$folder
    failing 66 "libnccl.so.2.*NCCL 2.20 or newer" missing "$program" 2 --set device.transport=nccl
done
export LD_LIBRARY_PATH=$CRISOL_FAKES/whole
CRISOL_FAKE_NCCL_VERSION=21803 failing 66 'is NCCL 2.18' missing "$program" 2 --set device.transport=nccl
failing 78 "GPU's memory only" wrong "$crisol" 2 --set device.transport=nccl --set device.name=cpu

# at the start: agreed, with rank 0's line
for order in GetUniqueId=system CommInitRankConfig@1=internal; do
    CRISOL_FAKE_NCCL=$order failing 70 "NCCL failed in the start: .*as ordered" start "$program" 3
done

# in the middle of an exchange: the rank that finds it ends the job; the checkpoint of the first epoch is there
number=0
for order in Send:21@1=system GroupEnd:21@0=internal CommGetAsyncError:12@2=remote Broadcast:29@2=system Broadcast:29@1=hang; do
    number=$((number + 1))
    name=failed-$number
    CRISOL_FAKE_NCCL=$order failing 70 'NCCL (failed|waited 2 s) in the .*\(exit code 70' \
        "$name" "$program" 3 --set train.checkpoint_steps=1 --set train.watchdog=2
    compgen -G "$scratch/$name/checkpoints/*.json" >/dev/null || fail "$order: no checkpoint was kept"
    train "$name" "$program" 2 --resume must
    same "$name" 2
done
