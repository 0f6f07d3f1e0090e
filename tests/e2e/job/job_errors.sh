#!/usr/bin/env bash
# Bad input of every kind: one clear line and the documented exit code, on all ranks, within seconds.
# shellcheck source=../../support/shell.sh
. "$(dirname "$0")/../../support/shell.sh"

pack=$2/synthetic-pack
cat >"$scratch/good.yaml" <<YAML
data: {pack: $pack, batch: 8, micro_batch: 4, limit_train: 16, limit_val: 8}
train: {epochs: 1}
cpu: {eval_batch: 4}
YAML
train=("$crisol" train "$scratch/good.yaml" --output "$scratch/run")
two=(mpirun --oversubscribe --bind-to none -n 2)
rm -rf "$scratch/run"

expect_code 64 "no command 'trian'" "$crisol" trian
expect_code 64 'CONFIG' "$crisol" train
expect_code 64 '--output' "$crisol" train "$scratch/good.yaml"
expect_code 66 'absent.yaml' "$crisol" train "$scratch/absent.yaml" --output "$scratch/run"
printf 'optimizer:\n  lrr: 1\n' >"$scratch/typo.yaml"
expect_code 78 'typo.yaml:2:3.*lrr.*lr' "$crisol" train "$scratch/typo.yaml" --output "$scratch/run"
expect_code 78 'optimizer.lr' "${train[@]}" --set optimizer.lr=fast
expect_code 78 'micro_batch' "${train[@]}" --set data.micro_batch=3
expect_code 66 'nowhere' "${train[@]}" --set "data.pack=$scratch/nowhere"
expect_code 78 "no class 'Z'.*has" "${train[@]}" --set 'data.classes=[Z, Y]'
expect_code 78 'colour' "${train[@]}" --set 'model.metadata.columns=[colour]'
expect_code 78 'batch' "${train[@]}" --set data.batch=512 --set data.micro_batch=8
expect_code 78 'train.monitor.*val/f1_macro' "${train[@]}" --set train.monitor=val/f2
! grep -q '^epoch 1' "$scratch/err.txt" || fail "a monitor that is none was found after an epoch"
rm -rf "$scratch/own" && mkdir "$scratch/own" && cp "$scratch/good.yaml" "$scratch/own/config.yaml"
expect_code 78 'own holds a config.yaml that no training wrote' "$crisol" train "$scratch/own/config.yaml" --output "$scratch/own"
cmp "$scratch/good.yaml" "$scratch/own/config.yaml" || fail "somebody's own config was replaced"
expect_code 78 'holds a manifest.json' "$crisol" train "$scratch/good.yaml" --output "$pack"
rm -rf "$scratch/run"
expect_code 66 'nowhere' "${two[@]}" "${train[@]}" --set "data.pack=$scratch/nowhere"
expect_code 78 'micro-batches' mpirun --oversubscribe -n 3 "${train[@]}"
expect_code 76 'epoch 1, step' "${two[@]}" "${train[@]}" --set optimizer.name=sgd --set optimizer.lr=1e30 --set data.limit_train=64
rm -rf "$scratch/run"

# a damaged pack: the sample is named, on whichever rank reads it
rm -rf "$scratch/damaged"
cp -rL "$pack" "$scratch/damaged"
shard=$(find "$scratch/damaged" -name 'train-00000*.h5')
size=$(stat -c %s "$shard")
python3 - "$shard" "$size" <<'PY'
import sys
with open(sys.argv[1], "r+b") as f:
    for at in range(int(sys.argv[2]) // 4, int(sys.argv[2]) * 3 // 4, 50_000):
        f.seek(at)
        byte = f.read(1)
        f.seek(at)
        f.write(bytes([byte[0] ^ 1]))
PY
expect_code 65 'train-00000.*sample' "${two[@]}" "${train[@]}" --set "data.pack=$scratch/damaged"
expect_code 65 'train-00000.*sample' "$crisol" verify "$scratch/damaged"
truncate -s -1 "$shard"
expect_code 65 'train-00000' "${train[@]}" --set "data.pack=$scratch/damaged"

# ranks that compute with other kernels, as on two kinds of processors: one line says what that means
image=("$crisol" train "$scratch/good.yaml" --output "$scratch/mixed" --set model.inputs=image --set data.batch=2 --set data.micro_batch=1
    --set data.limit_train=2 --set data.limit_val=1 --set train.epochs=1 --quiet)
rm -rf "$scratch/mixed"
mpirun --oversubscribe -n 1 "${image[@]}" : -n 1 env DNNL_MAX_CPU_ISA=SSE41 ONEDNN_MAX_CPU_ISA=SSE41 "${image[@]}" 2>"$scratch/mixed.txt"
[ "$(grep -c '^warning: rank 1 computes with other kernels than rank 0' "$scratch/mixed.txt")" = 1 ] ||
    { cat "$scratch/mixed.txt" && fail "ranks with other kernels: no warning"; }

# a full disk: whatever was there before still is
if [ "$(id -u)" = 0 ] && mkdir -p "$scratch/small" && mount -t tmpfs -o size=40m tmpfs "$scratch/small" 2>/dev/null; then
    trap 'umount "$scratch/small"' EXIT
    expect_code 74 'No space' "${two[@]}" "$crisol" train "$scratch/good.yaml" --output "$scratch/small/run"
    ls "$scratch/small/run/checkpoints" >"$scratch/left.txt" 2>/dev/null || true
    [ ! -s "$scratch/left.txt" ] || fail "a half-written checkpoint was left: $(cat "$scratch/left.txt")"
else
    echo "skipped: full disk (needs root and mount)"
fi

expect_code 66 'no run directory|config.yaml' "$crisol" eval "$scratch/nothing"
expect_code 64 '--split' "$crisol" eval "$scratch/nothing" --split dev
