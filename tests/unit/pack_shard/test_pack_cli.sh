#!/usr/bin/env bash
# pack, inspect and verify as a user calls them: what they print, exit codes, and a pack opened with h5py.
# shellcheck source=../../support/shell.sh
. "$CRISOL_SOURCE/tests/support/shell.sh"

rm -rf "${scratch:?}"/*
data=$scratch/data
pack=$scratch/pack
recipe=$source_folder/datasets/synthetic.yaml
"$crisol" synth "$data" --samples 60 >/dev/null

"$crisol" pack "$recipe" --root "$data" --output "$pack" >"$scratch/packed.txt"
grep -q "pack id  [0-9a-f]\{32\}" "$scratch/packed.txt" || fail "pack does not print the pack's id"
"$crisol" inspect "$pack" >"$scratch/inspected.txt"
diff "$scratch/packed.txt" "$scratch/inspected.txt" || fail "pack and inspect describe the pack differently"
"$crisol" inspect "$pack" --json >"$scratch/pack.json"
grep -q '"format": "crisol-pack"' "$scratch/pack.json" || fail "inspect --json has no manifest"
"$crisol" inspect "$pack" --sample 3 --split val --png "$scratch/sample.png" >"$scratch/sample.txt"
grep -q "^val sample 3 of" "$scratch/sample.txt" || fail "inspect --sample does not name the sample"
[ "$(head -c 4 "$scratch/sample.png" | tail -c 3)" = PNG ] || fail "inspect --png wrote no PNG"
"$crisol" verify "$pack" | grep -q "every byte" || fail "verify says nothing"

"$crisol" pack "$recipe" --root "$data" --output "$scratch/again" --workers 3 --quiet
diff -r "$pack" "$scratch/again" || fail "packing the same again gives other bytes"

expect_code 78 "exists.*force" "$crisol" pack "$recipe" --root "$data" --output "$pack"
expect_code 78 "no pack is there" "$crisol" pack "$recipe" --root "$data" --output "$data" --force
expect_code 64 "output" "$crisol" pack "$recipe"
for workers in 0 1025 4294967297; do
    expect_code 64 "from 1 to 1024" "$crisol" pack "$recipe" --output x --workers $workers
done
expect_code 64 "no sample 9999" "$crisol" inspect "$pack" --sample 9999
expect_code 64 "needs --sample" "$crisol" inspect "$pack" --png x.png
expect_code 66 "missing|No such" "$crisol" pack "$scratch/none.yaml" --output "$scratch/none"
expect_code 66 "not a pack" "$crisol" inspect "$data"
expect_code 66 "not a pack" "$crisol" verify "$data"
for command in pack inspect verify; do
    "$crisol" "$command" --help | grep -q "^usage: crisol $command" || fail "$command --help"
done

# Too many open files are no fault of an image's: no row is lost to them, and the limit is told before anything is made.
sed 's/^table:/shard_samples: 1\n&/' "$recipe" >"$scratch/many.yaml"
expect_code 78 "60 shards.*ulimit -n" sh -c 'ulimit -n 64 && exec "$0" "$@"' "$crisol" pack "$scratch/many.yaml" --root "$data" --output "$scratch/many"
[ ! -e "$scratch/many" ] || fail "a pack that could not be made"
(ulimit -Sn 64 && "$crisol" pack "$scratch/many.yaml" --root "$data" --output "$scratch/many" --quiet) || fail "the soft limit is in the way"
"$crisol" verify "$scratch/many" --quiet

# a list of refused rows, wherever the pack would have been, also when none is left
printf 'not an image' >"$scratch/bad.jpg"
cp -r "$data" "$scratch/refused"
for image in $(find "$scratch/refused" -name '*.jpg' -o -name '*.png' | sort | head -n 20); do
    cp "$scratch/bad.jpg" "$image"
done
expect_code 65 "20 of 60 rows were refused.*see .*new/folder/pack.rejects.csv" "$crisol" pack "$recipe" --root "$scratch/refused" \
    --output "$scratch/new/folder/pack"
[ "$(wc -l <"$scratch/new/folder/pack.rejects.csv")" = 21 ] || fail "the list of refused rows"
find "$scratch/refused" \( -name '*.jpg' -o -name '*.png' \) -delete
expect_code 65 "no row can be used.*see .*none.rejects.csv" "$crisol" pack "$recipe" --root "$scratch/refused" --output "$scratch/none"
[ "$(grep -c 'missing file' "$scratch/none.rejects.csv")" = 60 ] || fail "the list where nothing can be used"

# what is printed is checked like what is written
for command in "inspect $pack" "inspect $pack --json" "inspect $pack --sample 0" "verify $pack" config --version --help; do
    # shellcheck disable=SC2086
    expect_code 74 "cannot print" sh -c '"$0" "$@" >/dev/full' "$crisol" $command
done

"$crisol" config | head -n 1 >"$scratch/first.txt" || fail "a reader that leaves is no error"
# with closed streams, messages go nowhere, and not into a shard
"$crisol" pack "$recipe" --root "$data" --output "$scratch/closed" >&- 2>&- <&- || [ $? = 74 ] || fail "packing with closed streams"
"$crisol" verify "$scratch/closed" --quiet || fail "messages went into a shard"

# one bit of an image: half way into the first shard
shard=$(find "$scratch/again" -name 'train-00000-*.h5')
middle=$(($(stat -c %s "$shard") / 2))
byte=$(od -An -tu1 -j "$middle" -N 1 "$shard")
printf '%b' "\\0$(printf '%o' $((byte ^ 4)))" | dd of="$shard" bs=1 seek="$middle" conv=notrunc status=none
expect_code 65 "train-00000-of-00001.h5, sample [0-9]+ .*damaged samples: 1, files: 1" "$crisol" verify "$scratch/again"
"$crisol" pack "$recipe" --root "$data" --output "$scratch/again" --force --quiet
diff -r "$pack" "$scratch/again" || fail "--force does not replace a damaged pack"

python=${CRISOL_PYTHON:-python3}
if "$python" -c 'import h5py' 2>/dev/null; then
    "$python" "$source_folder/tests/unit/pack_shard/check_h5py.py" "$pack" || fail "h5py reads something else"
else
    printf 'not compared with h5py: %s has none (set CRISOL_PYTHON)\n' "$python"
fi
