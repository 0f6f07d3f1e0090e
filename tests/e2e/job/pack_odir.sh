#!/usr/bin/env bash
# Packs the real ODIR-5K where it is present: 6,392 rows, of which 279 have no image.
# shellcheck source=../../support/shell.sh
. "$(dirname "$0")/../../support/shell.sh"

[ -d "$data_folder/odir5k" ] || skip "no $data_folder/odir5k (set CRISOL_DATA_DIR)"
if [ ! -e "$scratch/odir5k-pack/manifest.json" ]; then
    "$crisol" pack "$source_folder/datasets/odir5k.yaml" --root "$data_folder/odir5k" --output "$scratch/odir5k-pack"
fi
"$crisol" inspect "$scratch/odir5k-pack" | tee "$scratch/odir5k.txt"
grep -q '279' "$scratch/odir5k.txt" || fail "279 rows without an image should have been rejected"
