#!/usr/bin/env bash
# tests/gpu/check.sh as a dry run: a line of valid JSON for each step in order, device steps skipped, the others done, and a step that
# fails leaves the others their turn.
# shellcheck source=../../support/shell.sh
. "$(dirname "$0")/../../support/shell.sh"

check=$source_folder/tests/gpu/check.sh
pack=$2/synthetic-pack
rm -rf "${scratch:?}/out" "$scratch/broken"
"$check" --output "$scratch/out" --build "${CRISOL_BUILD:?}" --device cpu --pack "$pack" --short --seconds 2000 || { cat "$scratch/out/log.txt"; fail "the dry run failed"; }
python3 - "$scratch/out/results.jsonl" <<'PY' || fail "the results are not what a dry run finds"
import json, sys
steps = [json.loads(line) for line in open(sys.argv[1])]
got = {step["step"]: step["result"] for step in steps}
want = {"build": "ok", "facts": "skipped", "describe": "skipped", "suite": "skipped", "parity-f32": "skipped", "parity-bf16": "skipped",
        "replay-f32": "ok", "replay-bf16": None, "gradients": "ok", "ranks": "ok", "resume": "ok", "plans": "ok", "curve": "skipped", "throughput": "ok", "layers": "ok",
        "kernels": "skipped", "peer": None}  # None: as this machine can
assert list(got) == list(want), list(got)
for name, result in want.items():
    assert got[name] == result or result is None and got[name] in ("ok", "skipped"), (name, got[name])
for step in steps:
    if step["step"] in ("describe", "suite", "curve", "kernels"):
        assert step["said"] == "skipped: no device", step
values = {step["step"]: step["values"] for step in steps}
assert [v["ranks"] for v in values["ranks"]] == [1, 2, 4] and len({v["weights"] for v in values["ranks"]}) == 1
assert all(v["images_per_s_median"] > 0 for v in values["throughput"] if "images_per_s_median" in v)
assert any(v["what"] == "train with loader" for v in values["throughput"])
PY

# a pack that is none: the step that needs it comes before another, which still runs
mkdir -p "$scratch/no-pack"
code=0
"$check" --output "$scratch/broken" --build "$CRISOL_BUILD" --device cpu --pack "$scratch/no-pack" --short --seconds 2000 \
    --only build,ranks,layers || code=$?
[ "$code" = 1 ] || fail "a failed step gave exit code $code"
grep -q '"step": "ranks", "result": "failed"' "$scratch/broken/results.jsonl" || fail "training without a pack did not fail"
[ "$(wc -l <"$scratch/broken/results.jsonl")" = 3 ] && grep -q '"step": "layers", "result": "ok"' "$scratch/broken/results.jsonl" || fail "a failed step stopped the others"

# the steps of whole trainings as with a GPU, on the emulated one; programs that are not carried fail their steps
if [ -n "${CRISOL_FAILING:-}" ]; then
    mkdir -p "$scratch/carried/bin" "$scratch/driver"
    cp "$CRISOL_FAILING" "$scratch/carried/bin/crisol"
    : >"$scratch/carried/env.sh"
    printf '#!/bin/sh\necho "an emulated device"\n' >"$scratch/driver/nvidia-smi"
    chmod +x "$scratch/driver/nvidia-smi"
    code=0
    PATH=$scratch/driver:$PATH LD_LIBRARY_PATH=${CRISOL_FAKES:?}/cudnn-whole "$check" --output "$scratch/emulated" --bundle "$scratch/carried" \
        --pack "$pack" --short --seconds 2000 --only build,facts,suite,ranks,resume,plans,curve || code=$?
    [ "$code" = 1 ] || fail "missing programs gave exit code $code"
    for step in build facts ranks resume plans curve; do
        grep -q "\"step\": \"$step\", \"result\": \"ok\", \"device\": \"cuda\"" "$scratch/emulated/results.jsonl" ||
            { cat "$scratch/emulated/log.txt" && fail "$step on the emulated device"; }
    done
    grep -q '"step": "suite", "result": "failed"' "$scratch/emulated/results.jsonl" || fail "a missing program did not fail its step"
fi
expect_code 64 'takes cpu or cuda' "$check" --output "$scratch/broken" --device tpu
echo "ok: the dry run"
