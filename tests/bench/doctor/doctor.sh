#!/usr/bin/env bash
# The doctor finds this machine well, on one rank and on several, leaves nothing behind, and sees what is wrong: a folder
# that cannot be written, tiny instruction sets, a launcher that is missing or broken.
# shellcheck source=../../support/shell.sh
. "$(dirname "$0")/../../support/shell.sh"

rm -rf "${scratch:?}"
mkdir -p "$scratch/runs" "$scratch/bin"
cd "$scratch"

# said PATTERN: a line of the last output
said() {
    grep -Eq -- "$1" out.txt || { cat out.txt; fail "no line like '$1'"; }
    printf 'ok: %s\n' "$(grep -E -m 1 -- "$1" out.txt)"
}

"$crisol" doctor runs >out.txt || { cat out.txt; fail "this machine is found ill"; }
said '^ok +cpu f32: a training step by oneDNN .* off by'
said '^(ok|absent) +cpu bf16: '
said '^ok +cores: this process may use [0-9]+ of'
said '^ok +writing: write, fsync, rename'
said '^ok +HDF5: '
said '^ok +run lease: '
said '^ok +mpirun: 2 ranks by Open MPI .* add up exactly'
said '^(ok|absent|warning) +(GPUs|Slurm|fabric): '
[ -z "$(ls -A runs)" ] || fail "left behind: $(ls -A runs)"

"$crisol" doctor runs --json >doctor.json
python3 - <<'PYTHON' || fail "the JSON lacks something"
import json
doctor = json.load(open("doctor.json"))
assert doctor["doctor_format"] == 1 and doctor["failed"] == 0
what = [finding["what"] for finding in doctor["findings"]]
for name in ("program", "processor", "memory", "cpu f32", "GPUs", "cuDNN", "NCCL", "Slurm", "disk room", "MPI", "mpirun"):
    assert name in what, name
assert all(finding["state"] in ("ok", "warning", "absent") for finding in doctor["findings"])
PYTHON

ranks 3 "$crisol" doctor runs >out.txt || { cat out.txt; fail "three ranks are found ill"; }
said '^ok +reduction: 3 ranks .* add up exactly'
said '^ok +shared folder: all 3 ranks see runs'
[ -z "$(ls -A runs)" ] || fail "left behind: $(ls -A runs)"

expect_code 70 'checks failed; the first: disk room' "$crisol" doctor nowhere
# a launcher that starts nothing, and one that hangs
printf '#!/bin/sh\nexit 1\n' >bin/mpirun
chmod +x bin/mpirun
expect_code 70 'mpirun: two ranks did not add up' env PATH="$scratch/bin:$PATH" "$crisol" doctor runs
PATH=$scratch/bin:$PATH DNNL_MAX_CPU_ISA=SSE41 "$crisol" doctor runs >out.txt 2>/dev/null || true
said '^warning +settings: DNNL_MAX_CPU_ISA=SSE41'
printf '#!/bin/sh\nsleep 60\n' >bin/sinfo
printf '#!/bin/sh\necho "reduction: pretended"\n' >bin/mpirun
chmod +x bin/sinfo
PATH=$scratch/bin:$PATH "$crisol" doctor runs >out.txt
said '^warning +Slurm: .* no controller answers'
