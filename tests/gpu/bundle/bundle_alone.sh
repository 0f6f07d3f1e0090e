#!/usr/bin/env bash
# The bundle in a root folder that has glibc, bash and nothing else: it starts, trains over two ranks to the bits of the build that
# it was made from, and evaluates. Skips where no mount namespace can be had.
# shellcheck source=../../support/shell.sh
. "$(dirname "$0")/../../support/shell.sh"

packs=$2
root=$scratch/root
enter=()
for try in "unshare --mount" "unshare --map-root-user --mount"; do
    # shellcheck disable=SC2086
    if $try mount --bind "$scratch" "$scratch" 2>/dev/null; then
        read -r -a enter <<<"$try"
        break
    fi
done
[ "${#enter[@]}" -gt 0 ] || skip "no mount namespace here"
command -v patchelf >/dev/null || skip "patchelf is missing"

"$source_folder/launch/bundle.sh" --output "$scratch/bundle" --crisol "$crisol"
code=0
"$source_folder/launch/bundle.sh" --output "$scratch/small" --crisol "$crisol" --limit 1 >/dev/null 2>"$scratch/err.txt" || code=$?
[ "$code" = 70 ] && grep -q 'larger than 1 MB' "$scratch/err.txt" || fail "a bundle above its limit ended with $code"
rm -rf "${scratch:?}/small"
expect_code 66 'not-there is not there' "$source_folder/launch/bundle.sh" --output "$scratch/small" --crisol "$scratch/not-there"
expect_code 64 'is no bundle' "$source_folder/launch/bundle.sh" --output "$packs/synthetic-pack" --crisol "$crisol"

# The root: the loader, glibc, bash. Nothing of Open MPI, HDF5 or oneDNN.
rm -rf "$root"
mkdir -p "$root"/{bin,tmp,proc,sys,dev,bundle,packs,etc}
copy() { # FILE: to the same place in the root
    mkdir -p "$root$(dirname "$1")"
    cp -L "$1" "$root$1"
}
while read -r library; do
    copy "$library"
done < <(ldd "$(command -v bash)" "$scratch/bundle/bin/crisol" | grep -oE '/[^ ]*' | grep -vE "^$scratch|:$" | sort -u)
cp -L "$(command -v bash)" "$root/bin/bash"
ln -s bash "$root/bin/sh"
found=$(find "$root" -name '*mpi*' -o -name '*hdf5*' -o -name '*dnnl*' -o -name '*stdc++*')
[ -z "$found" ] || fail "the root is not bare: $found"

cat >"$root/train.yaml" <<'YAML'
data: {pack: /packs/synthetic-pack, batch: 8, micro_batch: 4, limit_train: 8, limit_val: 4}
train: {epochs: 1, seed: 3}
YAML
cat >"$root/inside.sh" <<'TEXT'
set -euo pipefail
. /bundle/env.sh
crisol --version
mpirun --version
crisol verify /packs/synthetic-pack
mpirun -n 2 crisol train /train.yaml --output /tmp/run
crisol train /train.yaml --output /tmp/alone --quiet
mpirun -n 2 crisol eval /tmp/run --split test --quiet
code=0
mpirun -n 2 crisol train /not-there.yaml --output /tmp/failed || code=$?
[ "$code" = 66 ] || { echo "a missing config ended with $code"; exit 1; }
TEXT
# shellcheck disable=SC2016
env -i "${enter[@]}" "$(command -v bash)" -c '
    set -e
    root=$1
    for folder in proc sys dev; do mount --rbind "/$folder" "$root/$folder"; done
    mount --bind "$2" "$root/bundle"
    mount --bind "$3" "$root/packs"
    exec chroot "$root" /bin/bash /inside.sh
' inside "$root" "$scratch/bundle" "$packs" || fail "the bundle does not run where nothing is installed"

sed "s|/packs/|$packs/|" "$root/train.yaml" >"$scratch/train.yaml"
rm -rf "$scratch/here"
"$crisol" train "$scratch/train.yaml" --output "$scratch/here" --quiet
weights() {
    (cd "$1/checkpoints" && sha256sum ./*.safetensors)
}
for run in run alone; do
    diff <(weights "$scratch/here") <(weights "$root/tmp/$run") || fail "$run: other weights than the build's own"
done
[ -s "$root/tmp/run/eval-test/metrics.json" ] || fail "no evaluation"
echo "ok: the bundle trains, evaluates and fails as the build does"
