#!/usr/bin/env bash
# crisol config: lists every option; what it prints of a config is a config; its errors keep their codes.
# shellcheck source=../../support/shell.sh
. "$(dirname "$0")/../../support/shell.sh"

"$crisol" config >"$scratch/options.txt"
grep -qx '  data.batch: 32' "$scratch/options.txt" || fail "the list of options has no data.batch"

printf 'data: {pack: packs/p, batch: 16}\noptimizer: {lr: 1e-5}\n' >"$scratch/small.yaml"
"$crisol" config "$scratch/small.yaml" --set train.epochs=3 >"$scratch/resolved.yaml"
grep -qx '  batch: 16' "$scratch/resolved.yaml" || fail "the file is not in the resolved config"
grep -qx '  epochs: 3' "$scratch/resolved.yaml" || fail "--set is not in the resolved config"
grep -q '^  pack: .*/packs/p$' "$scratch/resolved.yaml" || fail "the pack's path is not resolved"
(cd / && "$crisol" config "$scratch/resolved.yaml") >"$scratch/again.yaml"
cmp "$scratch/resolved.yaml" "$scratch/again.yaml" || fail "the resolved config does not mean itself"
"$crisol" config --set train.epochs=3 "$scratch/small.yaml" | cmp - "$scratch/resolved.yaml" ||
    fail "--set in front of the file means something else"

printf 'data:\n  bacth: 16\n' >"$scratch/wrong.yaml"
expect_code 78 "wrong.yaml:2:3: unknown option 'data.bacth'; did you mean 'data.batch'\?" "$crisol" config "$scratch/wrong.yaml"
expect_code 78 'data.pack: name the folder' "$crisol" config --set train.epochs=3
expect_code 78 'train.epochs: the value must be an integer' "$crisol" config --set train.epochs=all
expect_code 66 'absent.yaml' "$crisol" config "$scratch/absent.yaml"
expect_code 64 'unexpected argument' "$crisol" config "$scratch/small.yaml" more
expect_code 64 'set needs NAME=VALUE' "$crisol" config --set
