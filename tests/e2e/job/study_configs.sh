#!/usr/bin/env bash
# Every config of the two studies takes a step on a small pack of its own shape: the same columns and classes, made-up
# pictures.
# shellcheck source=../../support/shell.sh
. "$(dirname "$0")/../../support/shell.sh"

pictures=$2/synthetic
rm -rf "${scratch:?}"/*
[ -d "$pictures" ] || fail "no $pictures: the fixture pack_synthetic makes it"

# tables in the studies' form over the synthetic pictures
python3 - "$pictures" "$scratch" <<'PY'
import csv, os, sys
pictures, scratch = sys.argv[1:]
with open(os.path.join(pictures, "table.csv"), newline="") as f:
    images = [row["image"] for row in csv.DictReader(f)]
images = [images[i % len(images)] for i in range(200)]
with open(scratch + "/full_df.csv", "w", newline="") as f:
    out = csv.writer(f)
    out.writerow(["ID", "Patient Age", "Patient Sex", "target", "filename"])
    for i, image in enumerate(images):
        target = [int(k == i // 2 % 8) for k in range(8)]
        out.writerow([i // 2, 1 if i % 29 == 0 else 20 + i % 60, ["Female", "Male"][i % 2], target, f"{i}.{image.split('.')[-1]}"])
os.makedirs(scratch + "/preprocessed_images")
words = ["Museo", "Arte", "Historia", "Parque"]
with open(scratch + "/poi_dataset.csv", "w", newline="") as f:
    out = csv.writer(f)
    out.writerow(["id", "categories", "tier", "xps", "locationLon", "locationLat", "Visits", "Likes", "Dislikes", "Bookmarks",
                  "main_image_path"])
    for i, image in enumerate(images):
        extension = image.split(".")[-1]
        os.link(os.path.join(pictures, image), f"{scratch}/preprocessed_images/{i}.{extension}")
        out.writerow([f"p{i}", [words[i % 4], words[(i // 4) % 4]], 1 + i % 4, 100 * (i % 7), -3 - i / 100, 40 + i / 100, 1000 + 37 * i % 503,
                      i * 31 % 997, i * 17 % 89, i * 13 % 211, f"preprocessed_images/{i}.{extension}"])
PY

pack() { # RECIPE NAME
    "$crisol" pack "$source_folder/datasets/$1.yaml" --root "$scratch" --output "$scratch/$2" 2>&1 | tee "$scratch/$2.log"
}
pack odir5k odir5k
pack poi poi
pack poi-study poi-study
grep -q 'Likes' "$scratch/poi-study.log" || fail "packing poi-study should have warned that the label is made from Likes"
if grep -q 'warning' "$scratch/poi.log"; then
    fail "packing poi should not have warned"
fi

one_step() { # CONFIG PACK
    local code=0 name
    name=$(basename "$1" .yaml)
    rm -rf "$scratch/run-$name"
    precision=()
    grep -q avx512_bf16 /proc/cpuinfo || precision=(--set train.precision=f32)
    "$crisol" train "$source_folder/configs/$1" --output "$scratch/run-$name" --quiet --set "data.pack=$scratch/$2" \
        --set data.batch=8 --set data.micro_batch=4 --set train.stop_after_steps=1 "${precision[@]}" || code=$?
    [ "$code" = 75 ] || fail "configs/$1 ended with $code instead of 75, stopped after a step"
    [ -s "$scratch/run-$name/checkpoints/step-1.json" ] || fail "configs/$1 left no checkpoint"
    echo "ok: configs/$1"
}
for experiment in 1 2 3 4 5; do
    one_step "odir/exp$experiment.yaml" odir5k
done
one_step poi/study.yaml poi-study
one_step poi/honest.yaml poi
for config in "$source_folder"/configs/*.yaml "$source_folder"/configs/*/*.yaml; do
    [[ $config != */sweeps/* ]] || continue
    "$crisol" inspect "$scratch/odir5k" --augment "$config" --grid "$scratch/grid.png" || fail "$config"
done
[ -s "$scratch/grid.png" ] || fail "no picture of augmented samples"
"$crisol" sweep "$source_folder/configs/sweeps/odir-grid.yaml" --dry-run --set "data.pack=$scratch/odir5k"
"$crisol" sweep "$source_folder/configs/sweeps/poi-optuna.yaml" --dry-run --set "data.pack=$scratch/poi" | tail -n 3
