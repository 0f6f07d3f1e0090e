#!/usr/bin/env bash
# A whole training with convolutions on the emulated device (CRISOL_EMULATED), whose engines come from a file but for one that is
# measured: they stand in the record and in the run's plans.json, and a resume and a repetition compute with them, whatever the file or a
# measurement would say now. ResNet-18, one sample at a time.
# shellcheck source=../../support/shell.sh
. "$(dirname "$0")/../../support/shell.sh"

emulated=${CRISOL_EMULATED:?}
rm -rf "${scratch:?}"/*/ "$scratch"/*.json
echo '{}' >"$scratch/empty.yaml"
common=(--set "data.pack=$2/synthetic-pack" --set model.inputs=image --set data.batch=1 --set data.micro_batch=1 --set data.limit_train=2
    --set data.limit_val=1 --set train.epochs=1 --set cpu.eval_batch=1 --set cuda.plans=measure
    --set "cuda.plans_file=$scratch/engines.json")

# engine 2 for every pass of ResNet-18, but for one convolution's forward
python3 - "$scratch/engines.json" <<'PY'
import json, sys
layers = [(8, 224, 64, 112, 7, 2)]
channels, side = 64, 56
layers.append((64, 56, 64, 56, 3, 1))
for out in (128, 256, 512):
    half = side // 2
    layers += [(channels, side, out, half, 3, 2), (channels, side, out, half, 1, 2), (out, half, out, half, 3, 1)]
    channels, side = out, half
plans = []
for c, s, k, o, kernel, stride in layers:
    for name in ("forward", "data", "weights"):
        if (name, c, k, kernel) == ("forward", 256, 512, 1):
            continue
        plans.append({"device": "the emulated device", "library": "emulated 1.0", "pass": name, "precision": "f32", "winograd": True,
                      "n": 1, "in": c, "height": s, "width": s, "out": k, "out_height": o, "out_width": o, "kernel": kernel,
                      "stride": stride, "padding": kernel // 2, "engine": 2, "knobs": [], "place": 2, "fallback": False,
                      "microseconds": 1, "microseconds_by_rule": 2})
json.dump({"format": 1, "plans": plans}, open(sys.argv[1], "w"))
PY

train() { # NAME [MORE…]
    local name=$1
    shift
    ranks 1 "$emulated" train "$scratch/empty.yaml" --output "$scratch/$name" --quiet "${common[@]}" --device cuda "$@"
}

weights() { # NAME
    sha256sum "$(last_weights "$scratch/$1")" | cut -c 1-64
}

train whole
python3 - "$scratch/whole" "$scratch/engines.json" <<'PY' || fail "the record or plans.json does not say which engines"
import collections, json, sys
record = json.load(open(sys.argv[1] + "/record.json"))
kept, shared = (json.load(open(path))["plans"] for path in (sys.argv[1] + "/plans.json", sys.argv[2]))
assert record["libraries"]["emulated"] == "1.0", record["libraries"]
kernels = [(step["layer"], key, value) for step in record["kernels"] for key, value in step.items() if key != "layer"]
by_engine = collections.Counter(value for _, _, value in kernels)
assert by_engine == {"emulated:2": 58, "emulated:1": 1}, by_engine  # 20 forward, 20 of the weights, 19 of the input
assert ("image.layer4.0.downsample.0", "forward", "emulated:1") in kernels, kernels
assert len(kept) == 32 and len(shared) == 33, (len(kept), len(shared))  # the image's gradient is not asked for
assert sum(plan["engine"] == 1 for plan in kept) == 1
PY
echo "ok: the record and plans.json name the engines"

# another file and another fastest engine: what the run began with stays
rm "$scratch/engines.json"
export CRISOL_EMULATED_FASTEST=0
cp -r "$scratch/whole" "$scratch/original"
"$emulated" repeat "$scratch/original" --output "$scratch/repeated" >"$scratch/repeat.txt" || { cat "$scratch/repeat.txt" && fail "the repetition differs"; }
cmp <(sed '/microseconds/d' "$scratch/whole/plans.json") <(sed '/microseconds/d' "$scratch/repeated/plans.json") || fail "the repetition keeps other engines"
echo "ok: repeated with the same engines, to the same bits"

mkdir -p "$scratch/stopped"
cp "$scratch/whole/plans.json" "$scratch/stopped/plans.json"
code=0
train stopped --set train.stop_after_steps=1 2>/dev/null || code=$?
[ "$code" = 75 ] || fail "stopping gave exit code $code instead of 75"
expect_code 78 'cuda.plans: measure' "$emulated" train "$scratch/empty.yaml" --output "$scratch/stopped" "${common[@]}" --device cuda --set cuda.plans=rule
train stopped
[ "$(weights stopped)" = "$(weights whole)" ] || fail "stopped and resumed ends in other weights"
echo "ok: stopped and resumed with the same engines, to the same bits"

sed -i 's/"engine": 1,/"engine": 9,/' "$scratch/stopped/plans.json"
expect_code 65 'stopped/plans.json, plan [0-9]*: layer image.layer4.0.downsample.0: there is no engine 9' \
    "$emulated" train "$scratch/empty.yaml" --output "$scratch/stopped" "${common[@]}" --device cuda --set train.epochs=2
echo "ok: an engine that is not there"
