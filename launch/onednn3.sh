#!/usr/bin/env bash
# Puts oneDNN 3 (library and headers, from the Python wheels that carry it) into FOLDER, to build against a newer oneDNN
# than the system's: cmake -DCRISOL_ONEDNN_ROOT=FOLDER. Needs python3 with pip; installs nothing elsewhere.
set -euo pipefail

# The build for GNU's OpenMP, which Crisol uses too: two OpenMP runtimes in one process would each start threads.
packages=(onednn-cpu-gomp==2023.2.0 onednn-devel-cpu-gomp==2023.2.0)

if [ $# -ne 1 ] || [ "${1#-}" != "$1" ]; then
    printf 'usage: launch/onednn3.sh FOLDER\n' >&2
    exit 64
fi
folder=$1
if [ -e "$folder/lib/libdnnl.so" ] && [ -e "$folder/include/oneapi/dnnl/dnnl.h" ]; then
    printf '%s has it already\n' "$folder"
    exit 0
fi
python=${PYTHON:-python3}
if ! "$python" -m pip --version >/dev/null 2>&1; then
    printf 'onednn3.sh: %s has no pip: install python3-pip, or name a Python that has it in PYTHON\n' "$python" >&2
    exit 66
fi
mkdir -p "$folder"
work=$(mktemp -d "$folder/wheels.XXXXXX")
trap 'rm -rf "$work"' EXIT
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$work" \
    "${packages[@]}"
for wheel in "$work"/*.whl; do
    "$python" -m zipfile -e "$wheel" "$work/unpacked"
done
for part in lib include; do
    rm -rf "${folder:?}/$part"
    mkdir "$folder/$part"
    for data in "$work"/unpacked/*.data/data; do
        if [ -d "$data/$part" ]; then
            cp -r "$data/$part/." "$folder/$part/"
        fi
    done
done
# A wheel holds copies where an installation has links.
for name in libdnnl.so libdnnl.so.3; do
    real=$(find "$folder/lib" -name 'libdnnl.so.3.*' | head -n 1)
    ln -sf "$(basename "$real")" "$folder/lib/$name"
done
printf 'oneDNN 3 is in %s\n' "$folder"
