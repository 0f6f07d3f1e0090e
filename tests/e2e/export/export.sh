#!/usr/bin/env bash
# What leaves a run: the files of an evaluation, at any number of ranks, and the model for PyTorch. Pretrained weights on the
# way in. What needs numpy or PyTorch is left out, saying so, without them (CRISOL_PYTHON names a Python that has them).
# shellcheck source=../../support/shell.sh
. "$(dirname "$0")/../../support/shell.sh"

pack=$2/synthetic-pack
here=$source_folder/tests/e2e/export
python=${CRISOL_PYTHON:-python3}
has() { "$python" -c "import ${1// /, }" 2>/dev/null; }
cat >"$scratch/tiny.yaml" <<YAML
data: {pack: $pack, batch: 8, micro_batch: 4, limit_train: 8, limit_val: 4, limit_test: 22}
model: {metadata: {hidden: [8, 6], dropout: 0.2}, head: {hidden: [12]}}
train: {epochs: 2, ema: 0.5}
cpu: {eval_batch: 4}
YAML
train() { # NAME [MORE…]
    rm -rf "${scratch:?}/$1"
    "$crisol" train "$scratch/tiny.yaml" --output "$scratch/$1" --quiet "${@:2}"
}
check() { # NAME [TOLERANCE]: files and exported model of a run, evaluated on test
    if ! has 'numpy'; then
        echo "skipped: the files of $1, for want of numpy in $python"
        return
    fi
    "$python" "$here/check_artifacts.py" "$scratch/$1/eval-test" "$pack" 2
    if ! has 'torch torchvision h5py safetensors.torch'; then
        echo "skipped: the model of $1 in PyTorch, for want of torch, torchvision, h5py or safetensors in $python"
        return
    fi
    "$python" "$here/check_export.py" "$scratch/$1.safetensors" "$scratch/$1/eval-test" "$pack" 2 "${@:2}"
}

# both inputs, two hidden layers, averaged weights: the same bytes at 1 rank and at 3
train both
"$crisol" eval "$scratch/both" --quiet --importance
rm -rf "$scratch/one-rank"
cp -r "$scratch/both/eval-test" "$scratch/one-rank"
for name in metrics.json report.txt confusion.csv predictions.csv predictions.npz errors.csv class_frequencies.csv \
    feature_weights.csv importance.csv; do
    [ -s "$scratch/one-rank/$name" ] || fail "eval wrote no $name"
done
ranks 3 "$crisol" eval "$scratch/both" --quiet --importance
diff -r "$scratch/one-rank" "$scratch/both/eval-test" || fail "3 ranks wrote other files than 1"
echo "ok: the files of 3 ranks are those of 1"
"$crisol" export "$scratch/both" --output "$scratch/both.safetensors"
check both
"$crisol" eval "$scratch/both" --quiet
[ ! -e "$scratch/both/eval-test/importance.csv" ] || fail "importances of another evaluation were left"

# the table alone, without a hidden layer: learns enough that a column counts
train table --set model.inputs=metadata --set 'model.metadata.hidden=[]' --set train.epochs=12 --set data.limit_train=0 \
    --set optimizer.lr=0.02 --set train.ema=0
"$crisol" eval "$scratch/table" --quiet --importance
"$crisol" export "$scratch/table" --output "$scratch/table.safetensors" --checkpoint last
"$crisol" export "$scratch/table" --output "$scratch/table.safetensors"
check table
cat "$scratch/table/eval-test/importance.csv"

# bottleneck blocks
train deep --set model.backbone=resnet50 --set model.inputs=image --set train.epochs=1 --set data.limit_test=6
"$crisol" eval "$scratch/deep" --quiet
"$crisol" export "$scratch/deep" --output "$scratch/deep.safetensors"
check deep 1e-3

# the README's way from a .pth
if has 'torch torchvision safetensors.torch'; then
    (cd "$scratch" && sed -n '/^.\{3\}python$/,/^.\{3\}$/p' "$source_folder/README.md" | sed '1d;$d' >from_pth.py &&
        "$python" -c 'import torch, torchvision; torch.save(torchvision.models.resnet18().state_dict(), "resnet18.pth")' &&
        "$python" from_pth.py)
    "$crisol" import "$scratch/resnet18.safetensors" | tee "$scratch/from_pth.txt"
    grep -q '100 of 100 tensors matched, 0 missing.*22 ignored, 0 unexpected' "$scratch/from_pth.txt" || fail "a .pth did not come through"
fi

# an exported model as pretrained weights
"$crisol" import "$scratch/both.safetensors" --list >"$scratch/list.txt"
grep -q 'matched *image.layer4.1.conv2.weight *F32 *\[512, 512, 3, 3\]' "$scratch/list.txt" || fail "import --list: $(cat "$scratch/list.txt")"
grep -q 'resnet18: 100 of 100 tensors matched, 0 missing' "$scratch/list.txt" || fail "import: $(tail -n 1 "$scratch/list.txt")"
rm -rf "$scratch/again"
"$crisol" train "$scratch/tiny.yaml" --output "$scratch/again" --set "model.weights=$scratch/both.safetensors" --set train.epochs=1 \
    >"$scratch/again.log" 2>&1
grep -q "100 of the backbone's 100 tensors matched, 0 missing" "$scratch/again.log" || fail "no report of the weights: $(cat "$scratch/again.log")"
echo "ok: an exported model is taken as pretrained weights"

expect_code 65 '80 missing .layer1.2.conv1.weight' "$crisol" import "$scratch/both.safetensors" --backbone resnet34
expect_code 65 'of another shape .*layer1.0.conv1.weight: .64, 64, 1, 1. instead of .64, 64, 3, 3.' \
    "$crisol" import "$scratch/deep.safetensors"
expect_code 65 'model.weights: .*deep.safetensors: .*instead of' "$crisol" train "$scratch/tiny.yaml" --output "$scratch/never" \
    --set "model.weights=$scratch/deep.safetensors"
expect_code 66 'nothing.safetensors' "$crisol" import "$scratch/nothing.safetensors"
expect_code 65 'no safetensors file' "$crisol" import "$scratch/tiny.yaml"
expect_code 64 '--backbone takes' "$crisol" import "$scratch/both.safetensors" --backbone vgg
expect_code 64 'one FILE' "$crisol" import
expect_code 64 '--output' "$crisol" export "$scratch/both"
expect_code 64 'one RUN' "$crisol" export --output "$scratch/x.safetensors"
expect_code 66 'no run directory' "$crisol" export "$scratch/nothing" --output "$scratch/x.safetensors"
expect_code 66 '' "$crisol" export "$scratch/both" --output "$scratch/no/such/folder/x.safetensors"
