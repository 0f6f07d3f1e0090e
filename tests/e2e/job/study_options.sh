#!/usr/bin/env bash
# What learns and how: frozen stages, groups of parameters, clipping, the moving average, class weights by name; seen in
# the checkpoints of short trainings.
# shellcheck source=../../support/shell.sh
. "$(dirname "$0")/../../support/shell.sh"

pack=$2/synthetic-pack
echo '{}' >"$scratch/empty.yaml"
rm -rf "$scratch"/run-*

train() { # NAME STEPS [OPTION…]: a training that stops after so many more steps
    local name=$1 steps=$2 code=0
    shift 2
    "$crisol" train "$scratch/empty.yaml" --output "$scratch/run-$name" --quiet --set "data.pack=$pack" --set data.batch=8 \
        --set data.micro_batch=4 --set data.limit_train=16 --set data.limit_val=4 --set train.epochs=40 --set train.keep_last=9 \
        --set cpu.eval_batch=4 --set "train.stop_after_steps=$steps" --set cpu.workers=2 "$@" || code=$?
    [ "$code" = 75 ] || fail "training $name ended with $code instead of 75"
}

# plain SGD of rate 1: a step is the gradient
sgd=(--set optimizer.name=sgd --set optimizer.momentum=0 --set optimizer.lr=1 --set optimizer.weight_decay=0)
train start 1 "${sgd[@]}" --set optimizer.lr=0
train clipped 1 "${sgd[@]}" --set optimizer.clip=0.01
train free 1 "${sgd[@]}" --set optimizer.clip=1e9
train decayed 1 "${sgd[@]}" --set optimizer.weight_decay=0.5
train spared 1 "${sgd[@]}" --set optimizer.weight_decay=0.5 --set optimizer.decay_norm_bias=false
train slow 1 "${sgd[@]}" --set optimizer.backbone_lr=0.125
train frozen 3 --set model.freeze=layer2 --set model.unfreeze_epoch=1 --set train.checkpoint_steps=1
train averaged 3 --set train.ema=0.75 --set train.checkpoint_steps=1
train named 1 "${sgd[@]}" --set 'loss.class_weights={striped-small: 0, dotted-small: 0.5, striped-large: 2, dotted-large: 1}'
"$crisol" train "$scratch/empty.yaml" --output "$scratch/run-watched" --quiet --set "data.pack=$pack" --set model.inputs=metadata \
    --set train.epochs=2 --set train.ema=0.5 --set train.monitor=val/ece --set train.journal_steps=1
"$crisol" eval "$scratch/run-watched" --split val --checkpoint last --quiet
"$crisol" export "$scratch/run-averaged" --output "$scratch/averaged.safetensors" --checkpoint last

expect_code 78 "no weight for class 'dotted-large'" "$crisol" train "$scratch/empty.yaml" --output "$scratch/run-bad" \
    --set "data.pack=$pack" --set 'loss.class_weights={striped-small: 1, dotted-small: 1, striped-large: 1}'
expect_code 78 'model.freeze: .*metadata' "$crisol" train "$scratch/empty.yaml" --output "$scratch/run-bad" \
    --set "data.pack=$pack" --set model.freeze=layer1 --set model.inputs=metadata
expect_code 78 'micro_batch of 2' "$crisol" train "$scratch/empty.yaml" --output "$scratch/run-bad" \
    --set "data.pack=$pack" --set data.micro_batch=1 --set augment.mixup=1

python3 - "$scratch" <<'PY'
import array, csv, json, math, os, struct, sys
scratch = sys.argv[1]

def read(path):
    with open(path, "rb") as f:
        (length,) = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(length))
        body = f.read()
    header.pop("__metadata__", None)
    floats = {}
    for name, entry in header.items():
        if entry["dtype"] == "F32":
            floats[name] = array.array("f", body[entry["data_offsets"][0]:entry["data_offsets"][1]])
    return floats

def step(name, number=1):
    return read(f"{scratch}/run-{name}/checkpoints/step-{number}.safetensors")

def check(true, what):
    if not true:
        sys.exit("FAILED: " + what)
    print("ok:", what)

def is_model(name):
    return name.startswith(("image.", "metadata.", "head."))

def is_statistic(name):
    return "running_" in name

start, clipped, free = step("start"), step("clipped"), step("free")
names = [n for n in start if is_model(n) and not is_statistic(n)]
def norm(a):
    return math.sqrt(sum((x - y) ** 2 for n in names for x, y in zip(a[n], start[n])))
check(abs(norm(clipped) - 0.01) < 1e-6, f"the clipped step is 0.01 long ({norm(clipped):.8f})")
check(norm(free) > 1, f"the free one is longer ({norm(free):.3f})")

decayed, spared, slow = step("decayed"), step("spared"), step("slow")
def plain(n):
    return n.endswith(".bias") or len(start[n]) <= 512 and "bn" in n or ".downsample.1." in n
for n in names:
    for i in range(0, len(start[n]), 997):
        decay = free[n][i] - 0.5 * start[n][i]
        if abs(decayed[n][i] - decay) > 1e-5 * max(1, abs(free[n][i])):
            check(False, f"decay of {n}")
        if abs(spared[n][i] - (free[n][i] if plain(n) else decay)) > 1e-5 * max(1, abs(free[n][i])):
            check(False, f"decay of {n} without norms and biases")
        factor = 0.125 if n.startswith("image.") else 1
        if abs(slow[n][i] - (start[n][i] + factor * (free[n][i] - start[n][i]))) > 1e-5 * max(1, abs(free[n][i])):
            check(False, f"rate of {n}")
check(True, "groups: decay of weights alone, a rate of its own for the image network")

frozen = [step("frozen", s) for s in (1, 2, 3)]
stages = ("image.conv1", "image.bn1", "image.layer1", "image.layer2")
for n in start:
    if not is_model(n):
        continue
    stays = frozen[0][n] == frozen[1][n] == start[n] if not is_statistic(n) else frozen[0][n] == frozen[1][n]
    if n.startswith(stages):
        if is_statistic(n):
            stays = stays and set(frozen[1][n]) == {1.0 if n.endswith("var") else 0.0}
        check(stays, f"{n} is frozen for an epoch") if not stays else None
        if frozen[2][n] == frozen[1][n]:
            check(False, f"{n} learns after it")
    elif frozen[0][n] == frozen[1][n]:
        check(False, f"{n} is not frozen")
check(True, "layer2 and below stay as they are, statistics too, and learn after the epoch")

averaged = [step("averaged", s) for s in (1, 2, 3)]
for n in names:
    want = averaged[0][n]
    check(averaged[0]["ema." + n] == want, n) if averaged[0]["ema." + n] != want else None
    for s in (1, 2):
        want = array.array("f", (0.75 * a + 0.25 * p for a, p in zip(want, averaged[s][n])))
        got = averaged[s]["ema." + n]
        if any(abs(x - y) > 1e-6 * max(1, abs(y)) for x, y in zip(got, want)):
            check(False, f"the average of {n} in step {s + 1}")
exported = read(scratch + "/averaged.safetensors")
check(all(exported[n] == averaged[2]["ema." + n] for n in names), "the average is as defined, and is what is exported")
with open(scratch + "/run-watched/metrics.csv", newline="") as f:
    row = list(csv.DictReader(f))[-1]
with open(scratch + "/run-watched/eval-val/metrics.json") as f:
    evaluated = json.load(f)
figures = ["accuracy", "balanced_accuracy", "f1_macro", "f1_weighted", "precision_macro", "recall_macro", "loss", "kappa",
           "roc_auc_macro", "average_precision_macro", "log_loss", "top2_accuracy", "ece", "odir_score"]
for figure in figures:
    check(abs(float(row["val/" + figure]) - evaluated[figure]) < 1e-12, f"val/{figure} is what crisol eval finds")
with open(scratch + "/run-watched/journal.jsonl") as f:
    steps = [event for event in map(json.loads, f) if event["event"] == "step"]
losses = [event["train/loss"] for event in steps if event["epoch"] == 2]
check([event["step"] for event in steps] == list(range(1, int(row["step"]) + 1)), "the journal has a line a step")
check(abs(sum(losses) / len(losses) - float(row["train/loss"])) < 1e-12, "their mean is the epoch's loss")
with open(scratch + "/run-watched/checkpoints/" + max(os.listdir(scratch + "/run-watched/checkpoints"))[:-11] + "json") as f:
    check(json.load(f)["metric"] == float(row["val/ece"]), "the checkpoint knows the figure that is monitored")
check(any(x != y for x, y in zip(step("named")["head.0.weight"], free["head.0.weight"])), "weights by name take part")
PY
