#!/usr/bin/env bash
# The template of benchmarks under a real Slurm of two nodes: one node, both, and the two side by side.
# shellcheck source=../../support/shell.sh
. "$(dirname "$0")/../../support/shell.sh"
# shellcheck source=two_nodes.sh
. "$(dirname "$0")/two_nodes.sh"

rm -rf "${scratch:?}"/*
start_cluster "$scratch/cluster"
cd "$scratch"
export CRISOL=$crisol
timeout 120 sbatch --wait --ntasks-per-node=2 --cpus-per-task=1 --output=out.txt "$source_folder/slurm/bench.sbatch" figures train \
    --repetitions 2 --set model.inputs=metadata --set data.batch=16 --set data.micro_batch=4 --scratch "$scratch" ||
    { cat out.txt; fail "the job ended with $?"; }
[ "$(tail -n 2 out.txt | awk '{ print $1, $2, $3 }' | tr '\n' ' ')" = '1 2 16 2 4 16 ' ] || { cat out.txt; fail "no table of one and two nodes"; }
grep -q '"nodes": 2' figures/bench-2.json || fail "the second benchmark did not run on both nodes"
tail -n 3 out.txt
