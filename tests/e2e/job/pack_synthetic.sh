#!/usr/bin/env bash
# Makes the synthetic data set and packs it through the ordinary recipe; other tests train on it.
# shellcheck source=../../support/shell.sh
. "$(dirname "$0")/../../support/shell.sh"

rm -rf "$scratch/synthetic" "$scratch/synthetic-pack"
"$crisol" synth "$scratch/synthetic" --samples 200 --seed 1
"$crisol" pack "$source_folder/datasets/synthetic.yaml" --root "$scratch/synthetic" --output "$scratch/synthetic-pack"
"$crisol" verify "$scratch/synthetic-pack"
"$crisol" inspect "$scratch/synthetic-pack"
"$crisol" inspect "$scratch/synthetic-pack" --json | python3 -m json.tool >/dev/null || fail "inspect --json is no JSON"
expect_code 78 'exists|--force' "$crisol" pack "$source_folder/datasets/synthetic.yaml" --root "$scratch/synthetic" \
    --output "$scratch/synthetic-pack"
